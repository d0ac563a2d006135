import Database from 'better-sqlite3';
import { join } from 'node:path';
import { generateSigningKey } from '../src/crypto/signatures/signing.ts';
import { HandClock } from '../test/kit/time/hand-clock.ts';
import { LogBench } from '../test/kit/log/log-bench.ts';
import { holds, targetText, type SEARCH_FIGURES } from './figures.ts';
import { resultAlone, type Result } from './result.ts';
import { loggedReads } from '../src/audit/log/logged-reads.ts';
import { fillLog, queriesFor, readByReader, READER } from './search-log.ts';
import type { Stage } from './stage.ts';

export interface SearchOptions {
  /** Entries of the long log. */
  readonly searched: number;
  readonly progress: (line: string) => void;
}

/** Entries of the short log. */
const SHORT = 60_000;
/** Entries of one commit; each is about another pod. */
const COMMIT = 30;
/** Entries between two compactions: whole bundles, and whole commits. */
const PART = 960_000;
const LIMIT = 100;
const ROUNDS = 5;

/** Processor milliseconds for the first page of each query, in a short and in a long log, both compacted; and the size of the long one. */
export async function searchResults(
  stage: Stage,
  figures: typeof SEARCH_FIGURES,
  { searched, progress }: SearchOptions,
): Promise<readonly Result[]> {
  const short = await measure(join(stage.directory, 'short'), Math.min(SHORT, searched));
  const long = await measure(join(stage.directory, 'long'), searched);
  for (const [query, time] of long.times) {
    const before = short.times.get(query)?.toFixed(1) ?? '';
    progress(`${query.padEnd(30)} ${before} ms, in the long log ${time.toFixed(1)} ms`);
  }
  const most = ({ times }: Measured): number => Math.max(...times.values());
  return figures.map((figure) => {
    const { name, label, target } = figure;
    if (name === 'log-size') return resultAlone(figure, 'bytes', [long.bytes]);
    if (name === 'exposure') return resultAlone(figure, MILLISECONDS, [long.exposure]);
    if (name === 'search-page') return resultAlone(figure, MILLISECONDS, [most(long)]);
    const [ours, peer] = [most(long), most(short)];
    const ratio = ours / peer;
    return {
      name,
      label,
      unit: MILLISECONDS,
      ours,
      peer,
      ratio,
      target: targetText(target),
      isReached: holds(target, ratio),
      spread: [ratio, ratio],
    };
  });
}

const MILLISECONDS = 'ms of processor time';

interface Measured {
  /** Processor milliseconds of the first page, by query. */
  readonly times: ReadonlyMap<string, number>;
  /** Bytes of the pages in use, for each entry. */
  readonly bytes: number;
  /** Processor milliseconds for all reads of one pod. */
  readonly exposure: number;
}

async function measure(directory: string, entries: number): Promise<Measured> {
  const clock = new HandClock();
  const bench = await LogBench.openAt(directory, clock, generateSigningKey());
  await fillCompacted(bench, clock, entries);
  const times = await pageTimes(bench);
  const exposure = await exposureTime(bench, clock);
  await bench.stop();
  const database = new Database(join(directory, 'store', 'log.sqlite'), { readonly: true });
  const { used } = database.prepare(USED_BYTES).get() as { readonly used: number };
  database.close();
  return { times, bytes: used / entries, exposure };
}

/** Compacts after each part, as a broker does: rows of batches take ten times the room of their segments. */
async function fillCompacted(bench: LogBench, clock: HandClock, entries: number): Promise<void> {
  for (let at = 0; at < entries; at += PART) {
    await fillLog(bench, clock, { entries: Math.min(PART, entries - at), commit: COMMIT });
    await bench.compact();
  }
}

/** Free pages are not counted: later entries use them. */
const USED_BYTES = 'SELECT sum(pgsize) AS used FROM dbstat';

/** Paths that the pod reads once each. */
const OTHER_PATHS = 1_000;

async function exposureTime(bench: LogBench, clock: HandClock): Promise<number> {
  const others = Array.from({ length: OTHER_PATHS }, (_, i) =>
    readByReader(`other/secret-${i}`, clock.now()),
  );
  await bench.record(...others);
  await bench.integrate();
  let least = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; round++) {
    const before = process.cpuUsage();
    const { reads, unread } = await loggedReads(bench.store, bench.reader, READER);
    const { user, system } = process.cpuUsage(before);
    if (reads.length < OTHER_PATHS || unread.length > 0) throw new Error('the index lacks reads');
    least = Math.min(least, (user + system) / 1000);
  }
  return least;
}

async function pageTimes(bench: LogBench): Promise<ReadonlyMap<string, number>> {
  const times = new Map<string, number>();
  const queries = await queriesFor(bench);
  for (let round = 0; round < ROUNDS; round++) {
    for (const [name, query] of queries) {
      // Each page has a new reader, which has proven nothing yet.
      const { reader } = bench;
      const before = process.cpuUsage();
      await reader.search(query, { limit: LIMIT });
      const { user, system } = process.cpuUsage(before);
      const known = times.get(name) ?? Number.POSITIVE_INFINITY;
      times.set(name, Math.min(known, (user + system) / 1000));
    }
  }
  return times;
}
