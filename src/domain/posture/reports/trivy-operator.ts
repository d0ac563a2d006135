import type { EvidenceSections } from '../evidence.ts';
import {
  digestIn,
  fieldText,
  findingsOf,
  instantOf,
  keptName,
  namesOf,
  purlOf,
  severityOf,
  shortText,
  type Report,
} from './report.ts';
import { trivyVersion } from './trivy.ts';
import { type JsonNode, MalformedJson } from '../../text/json-node.ts';

const GROUP = 'aquasecurity.github.io/';
const TTL = 'trivy-operator.aquasecurity.github.io/report-ttl';

export function isTrivyOperator(root: JsonNode): boolean {
  return fieldText(root.at('apiVersion')).startsWith(GROUP);
}

/** Reports whether the operator keeps the report although its workload was deleted. @throws MalformedJson */
export function isHistorical(root: JsonNode): boolean {
  return fieldText(root.at('metadata', 'annotations', TTL)) === '0s';
}

/** A VulnerabilityReport or ExposedSecretReport of the Trivy Operator, 0.24 or later: an older one names the digest of the configuration only. */
export function readTrivyOperator(root: JsonNode): Report {
  if (isHistorical(root)) {
    throw new MalformedJson('/metadata/annotations', 'marks the report as historical');
  }
  const report = root.at('report');
  return {
    scanner: 'trivy',
    scannerVersion: trivyVersion(report.at('scanner', 'version')),
    manifests: digestIn(fieldText(report.at('artifact', 'digest'))),
    configs: [],
    reportedAt: instantOf(report.at('updateTimestamp')),
    sections: sectionOf(fieldText(root.at('kind')), report),
  };
}

function sectionOf(kind: string, report: JsonNode): EvidenceSections {
  if (kind === 'VulnerabilityReport') {
    const findings = findingsOf(report.at('vulnerabilities')).map((node) => {
      const version = shortText(node.at('fixedVersion'));
      const name = shortText(node.at('resource'));
      return {
        ...namesOf(keptName(node.at('vulnerabilityID')), []),
        severity: severityOf(node.at('severity')),
        purl: purlOf(node.at('packagePURL'), name, shortText(node.at('installedVersion'))),
        fixedVersion: version,
        isFixable: version !== '',
        publishedAt: instantOf(node.at('publishedDate')),
      };
    });
    const family = fieldText(report.at('os', 'family'));
    const isOsEnded = report.at('os', 'eosl').value === true;
    // The report lists no packages: without an operating system and a finding, nothing shows that the scanner saw one.
    const isUnscanned = findings.length === 0 && (family === '' || family === 'none');
    return { vulnerabilities: { isOsEnded, isUnscanned, findings } };
  }
  if (kind === 'ExposedSecretReport') {
    const findings = findingsOf(report.at('secrets')).map((node) => ({
      rule: keptName(node.at('ruleID')),
      severity: severityOf(node.at('severity')),
      target: shortText(node.at('target')),
    }));
    return { secrets: { findings } };
  }
  throw new MalformedJson('/kind', 'must be VulnerabilityReport or ExposedSecretReport');
}
