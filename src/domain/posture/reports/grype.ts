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

/** `grype IMAGE --output json`. */
export function readGrype(root: JsonNode): Report {
  if (fieldText(root.at('source', 'type')) !== 'image') {
    throw new MalformedJson('/source/type', 'must be image: scan the image itself');
  }
  const database = root.at('descriptor', 'db', 'status');
  if (database.at('valid').value === false) {
    const why =
      'is false, so the database of the scanner is damaged or out of date: update it and scan again';
    throw new MalformedJson(database.at('valid').pointer, why);
  }
  const target = root.at('source', 'target');
  const ofRegistry = digestsIn(target.at('repoDigests'));
  return {
    scanner: 'grype',
    scannerVersion: shortText(root.at('descriptor', 'version')),
    // After a scan of an index, only `manifestDigest` names the platform. The digest of a tar file is invented: no registry has it.
    manifests:
      ofRegistry.length === 0
        ? ofRegistry
        : [...new Set([...ofRegistry, ...digestIn(fieldText(target.at('manifestDigest')))])],
    configs: digestIn(fieldText(target.at('imageID'))),
    reportedAt: instantOf(root.at('descriptor', 'timestamp')),
    sections: {
      vulnerabilities: {
        isOsEnded: false,
        databaseBuiltAt: instantOf(database.at('built')),
        findings: findingsOf(root.at('matches')).map((match) => {
          const found = match.at('vulnerability');
          const related = match
            .at('relatedVulnerabilities')
            .items()
            .map((each) => keptName(each.at('id')));
          const artifact = match.at('artifact');
          const name = shortText(artifact.at('name'));
          const [version] = found.at('fix', 'versions').items();
          return {
            ...namesOf(keptName(found.at('id')), related),
            severity: severityOf(found.at('severity')),
            purl: purlOf(artifact.at('purl'), name, shortText(artifact.at('version'))),
            fixedVersion: version === undefined ? '' : shortText(version),
            isFixable: fieldText(found.at('fix', 'state')) === 'fixed',
          };
        }),
      },
    },
  };
}
