import type { SearchTerm, TermKind } from '../records/search-term.ts';

/**
 * The searchable parts of an entry. They are read by position, at a tenth of the cost of JSON.parse. In the canonical form a quote within a
 * string always follows a backslash, so `,"name":"` occurs only between members.
 */
export interface EntryScan {
  /** The actor's object, which many entries share. */
  readonly actor: string;
  /** Text from `action` to the end of `outcome` or `code`. */
  readonly what: string;
  readonly path: string | undefined;
  /** Terms that are almost unique to the entry, and those of rare members. */
  readonly rareTerms: readonly SearchTerm[];
}

const REQUEST = ',"requestId":"';
const ACTOR = ',"actor":{';
const ACTOR_END = '},"action":"';
/** Beginning of the member that follows the outcome of a refusal. */
export const CODE = ',"code":"';

/** Index of the quote that closes the string whose text begins at `from`. */
function closing(text: string, from: number): number {
  let end = text.indexOf('"', from);
  while (end > from && isEscaped(text, end, from)) end = text.indexOf('"', end + 1);
  return end < 0 ? text.length : end;
}

function isEscaped(text: string, quote: number, from: number): boolean {
  let backslashes = 0;
  for (let at = quote - 1; at >= from && text[at] === '\\'; at--) backslashes += 1;
  return backslashes % 2 === 1;
}

/** The string member `name` with its escapes, at any position from `from` on. */
export function member(text: string, name: string, from = 0): string | undefined {
  const label = `"${name}":"`;
  const at = text.indexOf(label, from);
  if (at < 0) return undefined;
  const start = at + label.length;
  return text.slice(start, closing(text, start));
}

function add(terms: SearchTerm[], kind: TermKind, term: string | undefined): void {
  if (term !== undefined) terms.push({ kind, term });
}

/** Members whose text is a term. One pass for all of them takes half the time of a search for each (measured). */
const OWN_MEMBERS =
  /,"(?:(version|lease|credential|session|workload|fingerprint|token|refused|locator)":"|(document|pod)":\{)/g;

/** Collects terms; only the first occurrence of each member counts. */
function ownTerms(entry: string, from: number): SearchTerm[] {
  const terms: SearchTerm[] = [];
  const seen: string[] = [];
  OWN_MEMBERS.lastIndex = from;
  for (let found = OWN_MEMBERS.exec(entry); found !== null; found = OWN_MEMBERS.exec(entry)) {
    const [, text, object = ''] = found;
    const name = text ?? object;
    if (seen.includes(name)) continue;
    seen.push(name);
    if (text === undefined) addReference(terms, object, entry, found.index);
    else addOwn(terms, text, textAt(entry, OWN_MEMBERS.lastIndex));
  }
  return terms;
}

function textAt(entry: string, start: number): string {
  return entry.slice(start, closing(entry, start));
}

function addOwn(terms: SearchTerm[], name: string, term: string): void {
  // A search for the refused action finds the summary.
  terms.push({ kind: (name === 'refused' ? 'action' : name) as TermKind, term });
  if (name !== 'locator') return;
  // The place is a term, and so is the place without the key that a definition may name there: `vault:secret/data/db#password`.
  const key = term.indexOf('#');
  if (key > 0) terms.push({ kind: 'locator', term: term.slice(0, key) });
}

function addReference(terms: SearchTerm[], name: string, entry: string, at: number): void {
  if (name === 'document') {
    const kind = member(entry, 'kind', at) ?? '';
    terms.push({ kind: 'document', term: `${kind}/${member(entry, 'name', at) ?? ''}` });
    return;
  }
  add(terms, 'cluster', member(entry, 'cluster', at));
  add(terms, 'namespace', member(entry, 'namespace', at));
  add(terms, 'pod', member(entry, 'name', at));
  add(terms, 'pod', member(entry, 'uid', at));
}

/** Undefined unless the text is an entry in canonical form. */
export function scanEntry(entry: string): EntryScan | undefined {
  const head = scanHead(entry);
  if (head === undefined) return undefined;
  const { path, rareTerms } = scanRest(entry, head.end);
  rareTerms.push({ kind: 'request', term: head.request });
  return { actor: head.actor, what: head.what, path, rareTerms };
}

/** The part of an entry that the items of one request have in common: up to its outcome or code. */
export interface HeadScan extends Pick<EntryScan, 'actor' | 'what'> {
  readonly request: string;
  /** Index at which the rest of the entry begins. */
  readonly end: number;
}

/** Undefined unless the text begins like an entry in canonical form. */
export function scanHead(entry: string): HeadScan | undefined {
  const request = entry.indexOf(REQUEST);
  const requestStart = request + REQUEST.length;
  const requestEnd = closing(entry, requestStart);
  const actorStart = requestEnd + 1;
  const actorEnd = entry.indexOf(ACTOR_END, actorStart);
  if (request < 0 || actorEnd < 0 || !entry.startsWith(ACTOR, actorStart)) return undefined;
  const whatStart = actorEnd + 2;
  const outcome = entry.indexOf('"outcome":"', whatStart);
  if (outcome < 0) return undefined;
  let end = closing(entry, outcome + 11) + 1;
  if (entry.startsWith(CODE, end)) end = closing(entry, end + CODE.length) + 1;
  return {
    request: entry.slice(requestStart, requestEnd),
    actor: entry.slice(actorStart, actorEnd + 1),
    what: entry.slice(whatStart, end),
    end,
  };
}

/** The parts of an entry after its head. */
export function scanRest(
  entry: string,
  from: number,
): { readonly path: string | undefined; readonly rareTerms: SearchTerm[] } {
  const path = entry.indexOf(',"path":"', from);
  return {
    path: path < 0 ? undefined : entry.slice(path + 9, closing(entry, path + 9)),
    rareTerms: ownTerms(entry, from),
  };
}

/** The search terms of the actor's object. */
export function actorTerms(actor: string): readonly SearchTerm[] {
  const terms: SearchTerm[] = [];
  const id = member(actor, 'id');
  const kind = member(actor, 'kind');
  if (kind === 'workload') {
    add(terms, 'workload', id);
    add(terms, 'cluster', member(actor, 'cluster'));
    add(terms, 'namespace', member(actor, 'namespace'));
    add(terms, 'pod', member(actor, 'podName'));
    add(terms, 'pod', member(actor, 'podUid'));
    add(terms, 'session', member(actor, 'session'));
  } else if (kind === 'operator') {
    add(terms, 'operator', id);
    add(terms, 'token', member(actor, 'token'));
  } else if (kind === 'system') {
    add(terms, 'system', id);
  }
  return terms;
}

export function whatTerms(what: string): readonly SearchTerm[] {
  const terms: SearchTerm[] = [];
  add(terms, 'action', member(what, 'action'));
  add(terms, 'outcome', member(what, 'outcome'));
  add(terms, 'code', member(what, 'code'));
  return terms;
}

/** The path and each of its prefixes by whole segments, so that one row covers a subtree. */
export function pathTerms(path: string): readonly SearchTerm[] {
  const terms: SearchTerm[] = [];
  for (let end = path.indexOf('/'); end >= 0; end = path.indexOf('/', end + 1)) {
    terms.push({ kind: 'path', term: path.slice(0, end) });
  }
  terms.push({ kind: 'path', term: path });
  return terms;
}

export function entryTerms(scan: EntryScan): readonly SearchTerm[] {
  return [
    ...actorTerms(scan.actor),
    ...whatTerms(scan.what),
    ...(scan.path === undefined ? [] : pathTerms(scan.path)),
    ...scan.rareTerms,
  ];
}
