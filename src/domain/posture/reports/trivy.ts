import type { ExposedSecret, Vulnerability } from '../evidence.ts';
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
 * `trivy image --format json`, of 0.20 or later. The report does not say which scanners ran: without the scanner of vulnerabilities it lists the
 * packages all the same. So it proves vulnerabilities and secrets only by findings.
 */
export function readTrivy(root: JsonNode): Report {
  const type = fieldText(root.at('ArtifactType'));
  if (type !== '' && type !== 'container_image') {
    throw new MalformedJson('/ArtifactType', 'must be container_image: scan the image itself');
  }
  const results = root.at('Results').items();
  const lists = ['Vulnerabilities', 'Secrets', SUPPRESSED];
  const nodes = results.flatMap((result) => lists.map((list) => result.at(list)));
  checkTotal(nodes.reduce((sum, list) => sum + findingsOf(list).length, 0));
  const vulnerabilities = {
    isOsEnded: root.at('Metadata', 'OS', 'EOSL').value === true,
    isUnscanned: isUnscanned(root, results),
    findings: results.flatMap((result) => [
      ...findingsOf(result.at('Vulnerabilities')).map(vulnerability),
      ...suppressed(result, 'vulnerability').map(vulnerability),
    ]),
  };
  const secrets = { findings: results.flatMap(secretsOf) };
  const hasSecrets = results.some((result) => fieldText(result.at('Class')) === 'secret');
  const isFound = vulnerabilities.findings.length > 0;
  return {
    scanner: 'trivy',
    scannerVersion: trivyVersion(root.at('Trivy', 'Version')),
    manifests: digestsIn(root.at('Metadata', 'RepoDigests')),
    configs: digestIn(fieldText(root.at('Metadata', 'ImageID'))),
    reportedAt: instantOf(root.at('CreatedAt')),
    sections: { ...(isFound && { vulnerabilities }), ...(hasSecrets && { secrets }) },
    stated: { ...(!isFound && { vulnerabilities }), ...(!hasSecrets && { secrets }) },
  };
}

/**
 * Reports whether the scanner saw no package at all, or named an operating system and saw none of its packages: their database was deleted or skipped.
 * Trivy lists all packages by default.
 */
function isUnscanned(root: JsonNode, results: readonly JsonNode[]): boolean {
  const seen = results.filter(
    (result) =>
      !NO_PACKAGES.has(fieldText(result.at('Class'))) &&
      ['Packages', 'Vulnerabilities', SUPPRESSED].some((list) => hasItems(result.at(list))),
  );
  if (seen.length === 0) return true;
  const family = fieldText(root.at('Metadata', 'OS', 'Family'));
  const hasPackages = family !== '' && !WITHOUT_PACKAGES.has(family);
  return hasPackages && seen.every((result) => fieldText(result.at('Class')) !== 'os-pkgs');
}

/** An image has thousands of packages: they are counted and not read. */
function hasItems({ value }: JsonNode): boolean {
  return Array.isArray(value) && value.length > 0;
}

/** Families of operating systems that have no packages of their own. */
const WITHOUT_PACKAGES: ReadonlySet<string> = new Set(['none', 'activestate']);

/** Findings that a `.trivyignore`, a policy or a VEX document of the scan dropped (`--show-suppressed`). Only the profile decides what is dropped. */
const SUPPRESSED = 'ExperimentalModifiedFindings';

function suppressed(result: JsonNode, type: string): readonly JsonNode[] {
  return findingsOf(result.at(SUPPRESSED))
    .filter((each) => fieldText(each.at('Type')) === type)
    .map((each) => each.at('Finding'));
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
  return [...findingsOf(result.at('Secrets')), ...suppressed(result, 'secret')].map((secret) => ({
    rule: keptName(secret.at('RuleID')),
    severity: severityOf(secret.at('Severity')),
    target,
  }));
}
