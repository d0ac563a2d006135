import { isDigest } from '../image-reference.ts';
import { SEVERITIES, type EvidenceSections, type Severity } from '../evidence.ts';
import { MalformedJson, type JsonNode } from '../../text/json-node.ts';

/** A report of any format in one form. */
export interface Report {
  readonly scanner: string;
  /** Empty if the report does not say. */
  readonly scannerVersion: string;
  /** Digests of the index or manifest. */
  readonly manifests: readonly string[];
  /** Digests of the configuration, one for each platform. */
  readonly configs: readonly string[];
  /** Milliseconds since the epoch; undefined if the format has no time: then the time of receipt counts. */
  readonly reportedAt?: number | undefined;
  readonly sections: EvidenceSections;
  /**
   * Sections without a finding that the report cannot prove, because the same report is written if the scanner did not look for them. They count only
   * if the sender states that the scan covered them.
   */
  readonly stated?: EvidenceSections;
}

/** Reads a report of one format. `image` are the digests that the sender names. @throws MalformedJson */
export type ReportAdapter = (root: JsonNode, image: readonly string[]) => Report;

/** A scanner writes descriptions of this length at most; what the broker keeps is far shorter. */
const LONGEST_FIELD = 4_096;
const LONGEST_NAME = 256;
const MOST_FINDINGS = 50_000;
const MOST_DIGESTS = 16;

/** A text of bounded length; empty if it is absent. @throws MalformedJson */
export function fieldText(node: JsonNode): string {
  const text = node.text() ?? '';
  if (text.length > LONGEST_FIELD) {
    throw new MalformedJson(node.pointer, `may have ${LONGEST_FIELD} characters`);
  }
  return text;
}

/** A name that the broker keeps: it must be present and printable. @throws MalformedJson */
export function keptName(node: JsonNode): string {
  const text = fieldText(node);
  if (text === '' || text.length > LONGEST_NAME || /\p{Cc}/u.test(text)) {
    throw new MalformedJson(node.pointer, `must have 1 to ${LONGEST_NAME} printable characters`);
  }
  return text;
}

/** The first `LONGEST_NAME` characters of a text, without control characters. @throws MalformedJson */
export function shortText(node: JsonNode): string {
  return fieldText(node)
    .slice(0, LONGEST_NAME)
    .replaceAll(/\p{Cc}/gu, ' ');
}

/**
 * Checks the number of findings over all lists of a report, after expansion: one vulnerability is a finding in each package that it affects.
 * @throws MalformedJson
 */
export function checkTotal(total: number): void {
  if (total <= MOST_FINDINGS) return;
  throw new MalformedJson(
    '',
    `has ${total} findings, in all lists and packages together; the limit is ${MOST_FINDINGS}`,
    'the report',
  );
}

/** Items of a list of findings. @throws MalformedJson */
export function findingsOf(list: JsonNode): readonly JsonNode[] {
  const items = list.items();
  if (items.length > MOST_FINDINGS) {
    throw new MalformedJson(
      list.pointer,
      `has ${items.length} findings; the limit is ${MOST_FINDINGS}`,
    );
  }
  return items;
}

const WORDS: ReadonlyMap<string, Severity> = new Map<string, Severity>([
  ...SEVERITIES.map((word) => [word, word] as const),
  ['INFO', 'NEGLIGIBLE'],
  ['NONE', 'NEGLIGIBLE'],
  ['DEFCON1', 'CRITICAL'],
]);

/** @throws MalformedJson for a word that no scanner writes: it must not pass as a mild one. */
export function severityOf(node: JsonNode): Severity {
  const text = fieldText(node);
  if (text === '') return 'UNKNOWN';
  const severity = WORDS.get(text.toUpperCase());
  if (severity === undefined) throw new MalformedJson(node.pointer, 'is not a severity');
  return severity;
}

/** Milliseconds since the epoch. @throws MalformedJson for a text that is not a time */
export function instantOf(node: JsonNode): number | undefined {
  const text = fieldText(node);
  if (text === '') return undefined;
  const instant = /^\d{4}-\d{2}-\d{2}/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(instant)) {
    throw new MalformedJson(node.pointer, 'must be a time such as 2026-12-31T12:00:00Z');
  }
  return instant;
}

/** The digest at the end of `repository@sha256:…`, or of `sha256:…`; none if the text has no digest. */
export function digestIn(text: string): readonly string[] {
  const digest = text.slice(text.lastIndexOf('@') + 1);
  return isDigest(digest) ? [digest] : [];
}

/** @throws MalformedJson */
export function digestsIn(list: JsonNode): readonly string[] {
  const items = list.items();
  if (items.length > MOST_DIGESTS) {
    throw new MalformedJson(list.pointer, `may have ${MOST_DIGESTS} digests`);
  }
  return items.flatMap((item) => digestIn(fieldText(item)));
}

const CVE = /^CVE-\d{4}-\d{4,}$/;

/** The id by which people know a vulnerability: a CVE if there is one; the other ids become its aliases. */
export function namesOf(
  id: string,
  others: readonly string[],
): { readonly id: string; readonly aliases: readonly string[] } {
  const all = [...new Set([id, ...others])].slice(0, 8);
  const best = all.find((name) => CVE.test(name)) ?? id;
  return { id: best, aliases: all.filter((name) => name !== best) };
}

/** A package URL without qualifiers and subpath, which describe the place of a copy and not the package. */
export function purlOf(node: JsonNode, name: string, version: string): string {
  const [purl = ''] = fieldText(node).split(/[?#]/, 1);
  return purl.startsWith('pkg:') ? purl.slice(0, LONGEST_NAME * 2) : `${name}@${version}`;
}
