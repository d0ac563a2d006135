import Database from 'better-sqlite3';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { HandClock } from '../../test/kit/time/hand-clock.ts';
import { LogBench } from '../../test/kit/log/log-bench.ts';
import { fillLog, queriesFor } from '../search-log.ts';

/**
 * Fills a log with reads, and prints the size of each table on disk before and after compaction, and the time of the first page
 * of a search: `node bench/micro/log-size.ts --entries 100000 --commit 30`.
 */
const { values } = parseArgs({
  options: {
    entries: { type: 'string', default: '100000' },
    /** Entries of one commit. */
    commit: { type: 'string', default: '30' },
  },
});

function printSizes(path: string, entries: number): void {
  const database = new Database(path, { readonly: true });
  const rows = database
    .prepare('SELECT name, sum(pgsize) AS bytes FROM dbstat GROUP BY name ORDER BY bytes DESC')
    .all() as readonly { readonly name: string; readonly bytes: number }[];
  database.close();
  const total = rows.reduce((sum, { bytes }) => sum + bytes, 0);
  for (const { name, bytes } of rows.filter((row) => row.bytes > total / 200))
    console.log(`${name.padEnd(40)} ${(bytes / entries).toFixed(1)} bytes an entry`);
  console.log(`${'in all'.padEnd(40)} ${(total / entries).toFixed(1)} bytes an entry`);
}

async function printSearches(): Promise<void> {
  const { reader } = bench;
  for (const [name, query] of await queriesFor(bench)) {
    const begun = performance.now();
    const { items, next } = await reader.search(query, { limit: 100 });
    const took = (performance.now() - begun).toFixed(1);
    console.log(`${name.padEnd(40)} ${took} ms, ${items.length} entries${next ? ', more' : ''}`);
  }
}

const clock = new HandClock();
const bench = await LogBench.open(clock);
const [entries, commit] = [Number(values.entries), Number(values.commit)];
await fillLog(bench, clock, { entries, commit });
await bench.stop();
const path = join(bench.directory, 'store', 'log.sqlite');
printSizes(path, entries);
await bench.restart();
const begun = process.cpuUsage();
await bench.compact();
const { user, system } = process.cpuUsage(begun);
console.log(
  `compacted in ${(user / entries).toFixed(1)} + ${(system / entries).toFixed(1)} microseconds an entry, user and system`,
);
await printSearches();
await bench.stop();
printSizes(path, entries);
await rm(bench.directory, { recursive: true });
