import { SEVERITIES, type Severity, type VexState, type VexStatement } from '../evidence.ts';
import {
  checkTotal,
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

const STATES: ReadonlyMap<string, VexState> = new Map([
  ['resolved', 'fixed'],
  ['resolved_with_pedigree', 'fixed'],
  ['false_positive', 'not_affected'],
  ['not_affected', 'not_affected'],
  ['exploitable', 'affected'],
  ['in_triage', 'under_investigation'],
]);

/**
 * Reads CycloneDX 1.4 to 1.7 with vulnerabilities. If one of them has an analysis, the document is VEX and not the result of a scan: a list of
 * vulnerabilities that do not matter must not pass as the complete list.
 */
export function readCycloneDx(root: JsonNode): Report {
  if (!/^1\.[4-7]$/.test(fieldText(root.at('specVersion')))) {
    throw new MalformedJson('/specVersion', 'must be 1.4 to 1.7');
  }
  const list = root.at('vulnerabilities');
  if (list.isAbsent) {
    throw new MalformedJson(
      '',
      'has no list of vulnerabilities: it lists parts only',
      'the report',
    );
  }
  const nodes = findingsOf(list);
  const component = root.at('metadata', 'component');
  const { name, version } = toolOf(root.at('metadata', 'tools'));
  const purls = purlsByReference(root);
  checkTotal(nodes.reduce((sum, node) => sum + lengthOf(node.at('affects')), 0));
  const isVex = nodes.some((node) => !node.at('analysis', 'state').isAbsent);
  const vulnerabilities = scanned(root, nodes, purls);
  return {
    scanner: name,
    scannerVersion: version,
    ...digestsOf(component),
    reportedAt: instantOf(root.at('metadata', 'timestamp')),
    ...(isVex
      ? { sections: { vex: { findings: nodes.map((node) => statement(node, purls)) } } }
      : // Trivy writes an empty list also if it did not look for vulnerabilities, as by default.
        nodes.length > 0
        ? { sections: { vulnerabilities } }
        : { sections: {}, stated: { vulnerabilities } }),
  };
}

/** Number of items, without reading them; 0 for a value that is not a list: a reader refuses it later. */
function lengthOf({ value }: JsonNode): number {
  return Array.isArray(value) ? value.length : 0;
}

/** The list of 1.4, or the object of 1.5. */
function toolOf(tools: JsonNode): { readonly name: string; readonly version: string } {
  const list = Array.isArray(tools.value) ? tools : tools.at('components');
  const [tool] = list.items();
  const name = tool === undefined ? '' : shortText(tool.at('name')).toLowerCase();
  if (tool === undefined || name === '') return { name: 'cyclonedx', version: '' };
  const node = tool.at('version');
  return { name, version: name === 'trivy' ? trivyVersion(node) : shortText(node) };
}

function digestsOf(component: JsonNode): Pick<Report, 'manifests' | 'configs'> {
  const properties = component
    .at('properties')
    .items()
    .map((property) => [fieldText(property.at('name')), fieldText(property.at('value'))] as const);
  const named = (suffix: string): readonly string[] =>
    properties.filter(([name]) => name.endsWith(suffix)).flatMap(([, value]) => digestIn(value));
  const own = [
    ...digestIn(decoded(fieldText(component.at('purl')).split('?', 1)[0] ?? '')),
    ...digestIn(fieldText(component.at('version'))),
  ];
  return { manifests: [...own, ...named(':RepoDigest')], configs: named(':ImageID') };
}

/** Package URLs write the colon of a digest as `%3A`. */
function decoded(purl: string): string {
  return purl.replaceAll(/%3a/gi, ':');
}

function purlsByReference(root: JsonNode): ReadonlyMap<string, string> {
  return new Map(
    findingsOf(root.at('components')).flatMap((component) => {
      const reference = fieldText(component.at('bom-ref'));
      if (reference === '') return [];
      const name = shortText(component.at('name'));
      const version = shortText(component.at('version'));
      return [[reference, purlOf(component.at('purl'), name, version)] as const];
    }),
  );
}

/** A reference to a part of another document (`urn:cdx:…#<reference>`) is its package URL in practice. */
function affectedPurls(
  node: JsonNode,
  purls: ReadonlyMap<string, string>,
): readonly { readonly purl: string; readonly affect: JsonNode }[] {
  return findingsOf(node.at('affects')).map((affect) => {
    const reference = keptReference(affect.at('ref'));
    const own = reference.slice(reference.indexOf('#') + 1);
    const [bare = own] = own.split('?', 1);
    return { purl: purls.get(reference) ?? bare, affect };
  });
}

function keptReference(node: JsonNode): string {
  const text = fieldText(node);
  if (text === '' || text.length > 512) {
    throw new MalformedJson(node.pointer, 'must have 1 to 512 characters');
  }
  return text;
}

function scanned(root: JsonNode, nodes: readonly JsonNode[], purls: ReadonlyMap<string, string>) {
  const findings = vulnerabilities(nodes, purls);
  return { isOsEnded: false, isUnscanned: isUnscanned(root, findings), findings };
}

/** Types of package URLs that packages of an operating system have. */
const OF_SYSTEM = /^pkg:(?:deb|apk|rpm|alpm)\//;

/** Reports whether the document lists no package at all, or names an operating system and lists none of its packages. */
function isUnscanned(root: JsonNode, findings: readonly { readonly purl: string }[]): boolean {
  const components = root.at('components').items();
  const packages = [
    ...components.map((component) => fieldText(component.at('purl'))),
    ...findings.map(({ purl }) => purl),
  ].filter((purl) => purl.startsWith('pkg:'));
  const hasSystem = components.some(
    (component) => fieldText(component.at('type')) === 'operating-system',
  );
  return packages.length === 0 || (hasSystem && !packages.some((purl) => OF_SYSTEM.test(purl)));
}

function vulnerabilities(nodes: readonly JsonNode[], purls: ReadonlyMap<string, string>) {
  const found = nodes.flatMap((node) =>
    affectedPurls(node, purls).map(({ purl, affect }) => {
      const isFixable =
        fieldText(node.at('recommendation')) !== '' ||
        affect
          .at('versions')
          .items()
          .some((version) => fieldText(version.at('status')) === 'unaffected');
      return {
        ...namesIn(node),
        severity: worstOf(node.at('ratings').items()),
        purl,
        fixedVersion: '',
        isFixable,
        publishedAt: instantOf(node.at('published')),
      };
    }),
  );
  // A tool that writes no fix for any vulnerability does not write fixes at all: each may have one then.
  const saysFixes = found.some(({ isFixable }) => isFixable);
  return saysFixes ? found : found.map((each) => ({ ...each, isFixable: true }));
}

function worstOf(ratings: readonly JsonNode[]): Severity {
  const found = new Set(ratings.map((rating) => severityOf(rating.at('severity'))));
  return SEVERITIES.find((severity) => found.has(severity)) ?? 'UNKNOWN';
}

function namesIn(node: JsonNode): ReturnType<typeof namesOf> {
  const others = node
    .at('references')
    .items()
    .map((reference) => keptName(reference.at('id')));
  return namesOf(keptName(node.at('id')), others);
}

function statement(node: JsonNode, purls: ReadonlyMap<string, string>): VexStatement {
  const { id, aliases } = namesIn(node);
  const word = fieldText(node.at('analysis', 'state'));
  const state = word === '' ? 'affected' : STATES.get(word);
  if (state === undefined) {
    throw new MalformedJson(`${node.pointer}/analysis/state`, 'is not a state of an analysis');
  }
  const affected = affectedPurls(node, purls).map(({ purl }) => purl);
  // A statement about no package must not hide the vulnerability in every package.
  if (affected.length === 0) throw new MalformedJson(`${node.pointer}/affects`, 'is missing');
  return { ids: [id, ...aliases], purls: affected, state };
}
