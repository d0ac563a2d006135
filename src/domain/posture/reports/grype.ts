import type { Vulnerability } from '../evidence.ts';
import {
  checkTotal,
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
  checkScan(root.at('descriptor', 'configuration'));
  const matches = findingsOf(root.at('matches'));
  const ignored = findingsOf(root.at('ignoredMatches'));
  checkTotal(matches.length + ignored.length);
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
        // Grype lists no packages: without a distribution and a match, nothing shows that it saw one.
        isUnscanned:
          matches.length === 0 &&
          ignored.length === 0 &&
          fieldText(root.at('distro', 'name')) === '',
        databaseBuiltAt: instantOf(database.at('built')),
        findings: [...matches, ...ignored.filter(isFiltered)].map(vulnerability),
      },
    },
  };
}

/** Refuses settings that keep packages or their vulnerabilities out of the report, so that nothing of them can be counted. @throws MalformedJson */
function checkScan(configuration: JsonNode): void {
  const excluded = configuration.at('exclude');
  if (excluded.items().length > 0) {
    throw new MalformedJson(
      excluded.pointer,
      'names paths that the scan left out: scan the whole image',
    );
  }
  const archives = configuration.at('search', 'indexed-archives');
  if (archives.value === false) {
    throw new MalformedJson(
      archives.pointer,
      'is false, so the scan left out archives: scan the whole image',
    );
  }
  const distro = configuration.at('distro');
  if (fieldText(distro) !== '') {
    const why =
      'replaces the distribution of the image, whose vulnerabilities the scan then does not know: scan without it';
    throw new MalformedJson(distro.pointer, why);
  }
}

function vulnerability(match: JsonNode): Vulnerability {
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
}

/**
 * Packages of kernel headers, whose indirect matches Grype always ignores: the kernel of an image never runs. It writes the rule into the report.
 */
const KERNEL_HEADERS: ReadonlySet<string> = new Set([
  'kernel-headers',
  'linux(-.*)?-headers-.*',
  'linux-libc-dev',
  'linux-kbuild-.*',
]);

/**
 * Reports whether a setting of the scan dropped the match: `only-fixed`, `ignore` or VEX. It counts, because only the profile decides what is dropped.
 */
function isFiltered(match: JsonNode): boolean {
  const rules = match.at('appliedIgnoreRules').items();
  return (
    rules.length === 0 ||
    rules.some(
      (rule) =>
        fieldText(rule.at('match-type')) !== 'exact-indirect-match' ||
        !KERNEL_HEADERS.has(fieldText(rule.at('package', 'name'))),
    )
  );
}
