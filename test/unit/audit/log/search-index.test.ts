import { describe, expect, it } from '@jest/globals';
import {
  BundleTerms,
  pairHash,
  termHash,
  TERMS_LEVEL,
  timesAt,
} from '../../../../src/audit/records/bundle-terms.ts';
import { entryTerms, scanEntry } from '../../../../src/audit/log/entry-scan.ts';
import { headTerms } from '../../../../src/audit/log/head-terms.ts';
import { SearchIndex } from '../../../../src/audit/log/search-index.ts';
import { leafHash } from '../../../../src/crypto/log/merkle.ts';
import { TILE_WIDTH } from '../../../../src/crypto/log/tiles.ts';
import { encodeActor } from '../../../../src/domain/audit/audit-event.ts';
import { sha256Hex } from '../../../../src/crypto/hashes/digest.ts';
import type { Write } from '../../../../src/ports/store.ts';
import { body } from '../../../kit/log/log-bench.ts';

/** Actors with and without session, of two pods, and one with a name that imitates the session's member. */
const ACTORS = [
  ...['ses_1', 'ses_2', undefined].flatMap((session) =>
    ['web-1', 'web-2'].map((name) => workload(name, session)),
  ),
  workload('x","session":"ses_9', 'ses_3'),
  encodeActor({ kind: 'operator', operator: 'ada', token: 'tok_1' }, sha256Hex),
];

function workload(name: string, session: string | undefined): ReturnType<typeof encodeActor> {
  const account = { cluster: 'c', namespace: 'pay', serviceAccount: 'web', serviceAccountUid: 'u' };
  const pod = { name, uid: `uid-${name}` };
  return encodeActor({ kind: 'workload', workload: { ...account, pod }, session }, sha256Hex);
}

/** The row of the first bundle. */
function listOf(writes: readonly Write[]): BundleTerms {
  const [row] = writes.flatMap((write: Write) =>
    write.table === 'log_tiles' && 'put' in write && write.put.level === TERMS_LEVEL
      ? [write.put.hashes]
      : [],
  );
  return new BundleTerms(row ?? new Uint8Array());
}

function hashesOf(writes: readonly Write[]): readonly number[] {
  const list = listOf(writes);
  return Array.from({ length: list.size }, (_, place) => list.at(place));
}

/** FNV-1a of `path:payments/db`, of `pod:web-1`, and of both hashes. */
const HASHES = ['5f4ea9e', 'ea996a1e', '269c81d5'];

/** All hashes that the row of a bundle with these entries has. */
function expectedHashes(entries: readonly string[]): readonly number[] {
  const hashes = new Set<number>();
  for (const entry of entries) {
    const scan = scanEntry(entry)!;
    const terms = entryTerms(scan);
    for (const term of terms) hashes.add(termHash(term));
    const path = termHash({ kind: 'path', term: scan.path! });
    for (const term of terms)
      if (['pod', 'session', 'operator'].includes(term.kind))
        hashes.add(pairHash(path, termHash(term)));
  }
  return [...hashes].sort((a, b) => a - b);
}

const ENTRIES = Array.from({ length: TILE_WIDTH }, (_, index) =>
  body({
    requestId: `req_${index}`,
    path: `a/b${index % 3}`,
    actor: ACTORS[index % ACTORS.length]!,
  }).replace('{', '{"writer":"w0","seq":1,"prev":"",'),
);

describe('the search index', () => {
  const index = new SearchIndex();
  ENTRIES.forEach((entry, at) => index.add(at, entry, leafHash(Buffer.from(entry))));
  const writes = index.takeWrites();
  const terms = ENTRIES.flatMap((entry) => {
    const scan = scanEntry(entry);
    return scan === undefined ? [] : entryTerms(scan);
  });

  it('lists exactly the hashes of all terms and pairs of a bundle, and its time span', () => {
    const list = listOf(writes);
    const expected = expectedHashes(ENTRIES);
    expect(hashesOf(writes)).toEqual(expected);
    expect(expected.every((hash) => list.has(hash))).toBe(true);
    expect(list.has(expected[0]! + 1)).toBe(expected.includes(expected[0]! + 1));
    const time = Date.UTC(2026, 0, 1);
    expect(timesAt(list.times)).toEqual({ first: time, last: time });
  });

  it('lists the terms and pairs of a short head of a bundle', () => {
    const head = headTerms(ENTRIES, 3 * TILE_WIDTH + 64);
    expect(head).toMatchObject({ table: 'log_tiles', put: { level: -6, tile_index: 3 } });
    const { put } = head as { readonly put: { readonly hashes: Uint8Array } };
    const list = new BundleTerms(put.hashes);
    const hashes = Array.from({ length: list.size }, (_, place) => list.at(place));
    expect(hashes).toEqual(expectedHashes(ENTRIES.slice(-64)));
    expect(headTerms(ENTRIES, 3 * TILE_WIDTH)).toBeUndefined();
    expect(headTerms(ENTRIES, 3 * TILE_WIDTH + 65)).toBeUndefined();
    expect(headTerms(ENTRIES.slice(-5), TILE_WIDTH + 6)).toBeUndefined();
  });

  it('writes each pod once, however many sessions it has', () => {
    const pods = writes.flatMap((write: Write) =>
      write.table === 'log_terms' && 'put' in write && write.put.kind === 'pod'
        ? [write.put.term]
        : [],
    );
    const expected = new Set(terms.filter(({ kind }) => kind === 'pod').map(({ term }) => term));
    expect(pods.toSorted()).toEqual([...expected].toSorted());
  });

  it('has all terms of the items of one request, whose entries begin with the same text', () => {
    const items = Array.from({ length: TILE_WIDTH }, (_, at) =>
      body({
        requestId: `req_${Math.floor(at / 8)}`,
        outcome: at % 4 === 0 ? 'ok' : 'deny',
        ...(at % 2 === 1 && { code: at % 4 === 1 ? 'ERR_DENIED' : 'ERR_NOT_FOUND' }),
        path: `a/b${at}`,
        actor: ACTORS[Math.floor(at / 4) % 2]!,
      }).replace('{', `{"writer":"w0","seq":${at + 1},"prev":"",`),
    );
    const batch = new SearchIndex();
    items.forEach((entry, at) => batch.add(at, entry, leafHash(Buffer.from(entry))));
    expect(hashesOf(batch.takeWrites())).toEqual(expectedHashes(items));
  });

  it('has the hashes of the specification', () => {
    const path = termHash({ kind: 'path', term: 'payments/db' });
    const pod = termHash({ kind: 'pod', term: 'web-1' });
    expect([path, pod, pairHash(path, pod)].map((hash) => hash.toString(16))).toEqual(HASHES);
  });
});
