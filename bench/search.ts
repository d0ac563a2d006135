import { join } from 'node:path';
import { generateSigningKey } from '../src/crypto/signing.ts';
import { HandClock } from '../test/kit/hand-clock.ts';
import { LogBench } from '../test/kit/log-bench.ts';
import { holds, targetText, type SEARCH_FIGURES } from './figures.ts';
import type { Result } from './result.ts';
import { fillLog, queriesFor } from './search-log.ts';
import type { Stage } from './stage.ts';

export interface SearchOptions {
  /** Entries of the long log. */
  readonly searched: number;
  readonly progress: (line: string) => void;
}

/** Entries of the short log. */
const SHORT = 60_000;
const COMMIT = 100;
const LIMIT = 100;
const ROUNDS = 5;

/** Processor milliseconds for the first page of each query, in a short and in a long log, both compacted. */
export async function searchResults(
  stage: Stage,
  figures: typeof SEARCH_FIGURES,
  { searched, progress }: SearchOptions,
): Promise<readonly Result[]> {
  const short = await pageTimes(join(stage.directory, 'short'), Math.min(SHORT, searched));
  const long = await pageTimes(join(stage.directory, 'long'), searched);
  const rows = [...long].map(([query, time]) => ({
    query,
    time,
    before: short.get(query) ?? time,
  }));
  for (const { query, time, before } of rows)
    progress(`${query.padEnd(30)} ${before.toFixed(1)} ms, in the long log ${time.toFixed(1)} ms`);
  const most = (times: readonly number[]): number => Math.max(...times);
  const [ours, peer] = [most(rows.map(({ time }) => time)), most(rows.map(({ before }) => before))];
  return figures.map(({ name, label, target }) => {
    const isGrowth = name === 'search-growth';
    const value = isGrowth ? ours / peer : ours;
    return {
      ...{ name, label, unit: 'ms of processor time', ours },
      ...{ peer: isGrowth ? peer : null, ratio: isGrowth ? value : null },
      ...{ target: targetText(target), isReached: holds(target, value), spread: [value, value] },
    };
  });
}

async function pageTimes(directory: string, entries: number): Promise<ReadonlyMap<string, number>> {
  const clock = new HandClock();
  const bench = await LogBench.openAt(directory, clock, generateSigningKey());
  await fillLog(bench, clock, { entries, commit: COMMIT });
  await bench.compact();
  const times = new Map<string, number>();
  const queries = await queriesFor(bench);
  for (let round = 0; round < ROUNDS; round++) {
    for (const [name, query] of queries) {
      // Each page has a new reader, which has proven nothing yet.
      const { reader } = bench;
      const before = process.cpuUsage();
      await reader.search(query, { limit: LIMIT });
      const { user, system } = process.cpuUsage(before);
      times.set(
        name,
        Math.min(times.get(name) ?? Number.POSITIVE_INFINITY, (user + system) / 1000),
      );
    }
  }
  await bench.stop();
  return times;
}
