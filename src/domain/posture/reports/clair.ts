import type { Vulnerability } from '../evidence.ts';
import {
  checkTotal,
  digestIn,
  fieldText,
  findingsOf,
  instantOf,
  keptName,
  namesOf,
  severityOf,
  shortText,
  type Report,
} from './report.ts';
import { type JsonNode, MalformedJson } from '../../text/json-node.ts';

/** A vulnerability report of the API of Clair 4. It names the manifest of one platform and has no time. */
export function readClair(root: JsonNode): Report {
  const packages = root.at('packages');
  const vulnerabilities = root.at('vulnerabilities');
  const lists = root
    .at('package_vulnerabilities')
    .members()
    .map(([id, list]) => ({ id, references: findingsOf(list) }));
  checkTotal(lists.reduce((sum, { references }) => sum + references.length, 0));
  const findings = lists.flatMap(({ id, references }) => {
    const name = shortText(packages.at(id, 'name'));
    const purl = `${name}@${shortText(packages.at(id, 'version'))}`;
    return references.map((reference) =>
      vulnerability(vulnerabilities.at(fieldText(reference)), purl),
    );
  });
  return {
    scanner: 'clair',
    scannerVersion: '',
    manifests: [],
    // The digest of the manifest of one platform; the sender may name the digest of the index.
    configs: digestIn(fieldText(root.at('manifest_hash'))),
    sections: {
      vulnerabilities: {
        isOsEnded: false,
        isUnscanned: packages.members().length === 0,
        findings,
      },
    },
  };
}

function vulnerability(node: JsonNode, purl: string): Vulnerability {
  if (node.isAbsent) throw new MalformedJson(node.pointer, 'is missing');
  const name = keptName(node.at('name'));
  const version = shortText(node.at('fixed_in_version'));
  return {
    ...namesOf(name, name.match(/CVE-\d{4}-\d{4,}/g) ?? []),
    severity: severityOf(node.at('normalized_severity')),
    purl,
    fixedVersion: version,
    isFixable: version !== '',
    publishedAt: publishedAt(node.at('issued')),
  };
}

/** Clair writes the zero time of Go for "not known". */
function publishedAt(node: JsonNode): number | undefined {
  return fieldText(node).startsWith('0001-') ? undefined : instantOf(node);
}
