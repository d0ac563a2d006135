import type { ExposedSecret, Vulnerability } from '../evidence.ts';
import {
  digestIn,
  digestsIn,
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
import { type JsonNode, MalformedJson } from '../../text/json-node.ts';

/** Releases whose published builds were poisoned: a report of one of them proves nothing. */
const POISONED = new Set(['0.69.4', '0.69.5', '0.69.6']);

/** @throws MalformedJson for a scanner whose reports are worthless */
export function trivyVersion(node: JsonNode): string {
  const version = shortText(node).replace(/^v/, '');
  if (POISONED.has(version)) {
    throw new MalformedJson(
      node.pointer,
      `is a poisoned release of Trivy (${version}): scan again with another one`,
    );
  }
  return version;
}

/**
 * `trivy image --format json`, of 0.20 or later. The report does not say which scanners ran: it covers vulnerabilities, and secrets only if it has a
 * result of that class.
 */
export function readTrivy(root: JsonNode): Report {
  const type = fieldText(root.at('ArtifactType'));
  if (type !== '' && type !== 'container_image') {
    throw new MalformedJson('/ArtifactType', 'must be container_image: scan the image itself');
  }
  const results = root.at('Results').items();
  const classes = new Set(results.map((result) => fieldText(result.at('Class'))));
  const hasPackages = results.length === 0 || [...classes].some((name) => !NO_PACKAGES.has(name));
  const hasSecrets = classes.has('secret');
  return {
    scanner: 'trivy',
    scannerVersion: trivyVersion(root.at('Trivy', 'Version')),
    manifests: digestsIn(root.at('Metadata', 'RepoDigests')),
    configs: digestIn(fieldText(root.at('Metadata', 'ImageID'))),
    reportedAt: instantOf(root.at('CreatedAt')),
    sections: {
      ...(hasPackages && {
        vulnerabilities: {
          isOsEnded: root.at('Metadata', 'OS', 'EOSL').value === true,
          findings: results.flatMap((result) =>
            findingsOf(result.at('Vulnerabilities')).map(vulnerability),
          ),
        },
      }),
      ...(hasSecrets && { secrets: { findings: results.flatMap(secretsOf) } }),
    },
  };
}

const NO_PACKAGES: ReadonlySet<string> = new Set([
  'secret',
  'config',
  'license',
  'license-file',
  'custom',
]);

function vulnerability(node: JsonNode): Vulnerability {
  const version = shortText(node.at('FixedVersion'));
  const vendors = node
    .at('VendorIDs')
    .items()
    .map((id) => keptName(id));
  const name = shortText(node.at('PkgName'));
  return {
    ...namesOf(keptName(node.at('VulnerabilityID')), vendors),
    severity: severityOf(node.at('Severity')),
    purl: purlOf(node.at('PkgIdentifier', 'PURL'), name, shortText(node.at('InstalledVersion'))),
    fixedVersion: version,
    isFixable: version !== '',
    publishedAt: instantOf(node.at('PublishedDate')),
  };
}

function secretsOf(result: JsonNode): readonly ExposedSecret[] {
  const target = shortText(result.at('Target'));
  return findingsOf(result.at('Secrets')).map((secret) => ({
    rule: keptName(secret.at('RuleID')),
    severity: severityOf(secret.at('Severity')),
    target,
  }));
}
