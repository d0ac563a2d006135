import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { join } from 'node:path';
import { setImmediate as loopTurn } from 'node:timers/promises';
import { archiveDirectory } from '../../../../src/audit/records/archive-directory.ts';
import { Archiver } from '../../../../src/audit/upkeep/archiver.ts';
import { Follower } from '../../../../src/audit/sinks/follower.ts';
import type { Sink } from '../../../../src/audit/sinks/sink.ts';
import { SinkCursors } from '../../../../src/audit/sinks/sink-cursor.ts';
import { KeyringRowMacs } from '../../../../src/broker/kernel/row-macs.ts';
import { Keyring } from '../../../../src/crypto/keys/keyring.ts';
import { generateRootKey } from '../../../../src/crypto/keys/root-keys.ts';
import type { ArchivePlan } from '../../../../src/ports/archives.ts';
import { exportLog } from '../../../../src/audit/proof/export.ts';
import { storeSource } from '../../../../src/audit/proof/export-source.ts';
import { LogReader } from '../../../../src/audit/log/log-reader.ts';
import { Scrubber } from '../../../../src/audit/upkeep/scrubber.ts';
import { systemClock } from '../../../../src/process/clock.ts';
import type { Query, Store, TableName, Window } from '../../../../src/ports/store.ts';
import type { Tables } from '../../../../src/ports/tables.ts';
import { HandClock } from '../../../kit/time/hand-clock.ts';
import { body, LogBench } from '../../../kit/log/log-bench.ts';

const MINUTE = 60_000;
/** The newest 512 entries of 2,001 stay; archived parts end at a multiple of 256. */
const LIVE = 1_280;

let clock: HandClock;
let bench: LogBench;

beforeEach(async () => {
  clock = new HandClock();
  bench = await LogBench.open(clock);
  for (let i = 0; i < 2_000; i += 40) {
    await bench.record(
      ...Array.from({ length: 40 }, () => ({ path: i === 0 ? 'oldest/db' : 'payments/db' })),
    );
    // The age of an entry is known if it was in the tree before two checkpoints.
    if (i !== 1_920) continue;
    await bench.integrate();
    clock.advance(MINUTE);
  }
  await bench.integrate();
  clock.advance(2 * MINUTE);
});
afterEach(() => bench.remove());

/** Archives the old entries, at the first call only. */
function archiveOnce(): () => Promise<void> {
  let run: Promise<unknown> | undefined;
  return async () => {
    await (run ??= archive().then(({ end }) => expect(end).toBe(LIVE)));
  };
}

async function archive(delivered = Number.MAX_SAFE_INTEGER): Promise<ArchivePlan> {
  const archiver = new Archiver({
    store: bench.store,
    reader: new LogReader(bench.store, bench.log, { catchUp: () => bench.integrate() }),
    origin: bench.log.origin,
    logKey: bench.log.verifier.key,
    clock: { ...systemClock, sleep: () => loopTurn() },
    claims: bench.claims(),
    place: archiveDirectory(join(bench.directory, 'archive')),
    delivered: () => Promise.resolve(delivered),
  });
  return archiver.run({
    before: clock.now(),
    entry: (archived) =>
      body({
        action: 'audit.truncate',
        path: undefined,
        archive: archived,
        count: archived.objects.length,
        comment: 'retention',
      }),
    progress: () => undefined,
  });
}

/** The store, with something that happens before each list of rows of a commit. */
function before(happens: () => Promise<void>): Store {
  return new Proxy(bench.store, {
    get(store, name) {
      if (name === 'list') return list;
      const member: unknown = Reflect.get(store, name, store);
      return typeof member === 'function' ? (member.bind(store) as unknown) : member;
    },
  });
  async function list<T extends TableName>(
    query: Query<T>,
    window: Window<T>,
  ): Promise<readonly Tables[T][]> {
    if (query.spec.table === 'log_segments') await happens();
    return bench.store.list(query, window);
  }
}

describe('entries that are archived while the log is read', () => {
  it('are not reported by the scrubber, which continues with the live log', async () => {
    const found: string[] = [];
    const happens = archiveOnce();
    const scrubber = new Scrubber({
      store: bench.store,
      reader: bench.reader,
      logKey: bench.log.verifier.key,
      clock: { ...systemClock, sleep: happens },
      claims: bench.claims(),
      intervalMs: 1,
      onDamage: ({ first, end, why }) => found.push(`${first}-${end} ${why}`),
      onAlteredTiles: () => found.push('tiles'),
      onAlteredBatch: ({ what, index }) => found.push(`${what} ${index}`),
      onReadsDiffer: () => found.push('reads'),
      onError: (error) => {
        throw error as Error;
      },
    });
    expect(await scrubber.walk()).toBe(true);
    expect(found).toEqual([]);
    expect(await bench.reader.archived.end()).toBe(LIVE);
    expect(scrubber.status()).toMatchObject({ checked: 2_001, damaged: 0, alteredBatches: 0 });
  });

  it('are not reported by a search as damage', async () => {
    const reader = new LogReader(before(archiveOnce()), bench.log);
    const found = await reader.search({ path: 'oldest/db' }, { limit: 10 });
    expect(found).toMatchObject({ items: [], archived: { first: 0, end: LIVE } });
  });

  it('do not hide the first entry of the log', async () => {
    const reader = new LogReader(before(archiveOnce()), bench.log);
    expect((await reader.oldest())?.index).toBe(LIVE);
  });

  it('end an export with an error that says so', async () => {
    const target = join(bench.directory, 'export');
    const source = storeSource(before(archiveOnce()), bench.log);
    await expect(exportLog(source, target)).rejects.toThrow(
      `the entries before ${LIVE} were archived during the export; remove ${target} and export again`,
    );
  });
});

describe('a sink that repeats 1,024 entries after a start', () => {
  const rows = new KeyringRowMacs(new Keyring(generateRootKey()));
  const cursors = () => new SinkCursors(bench.store, rows);

  /** Follows the log until `deliveries` were made, then crashes. @returns the first entry, and what the sink did not get */
  async function follow(deliveries: number) {
    const firsts: number[] = [];
    const missed: number[][] = [];
    const sink: Sink = {
      name: 'syslog:siem',
      unconfirmed: 1_024,
      deliver: ({ first }) =>
        firsts.push(first) > deliveries ? new Promise(() => undefined) : Promise.resolve(),
      reopen: () => Promise.resolve(),
      close: () => Promise.resolve(),
    };
    const follower = new Follower({
      reader: bench.reader,
      cursors: cursors(),
      clock,
      sink,
      onArchived: (...range) => missed.push(range),
    });
    follower.start();
    while (firsts.length <= deliveries && follower.status().lag !== 0) {
      clock.advance(250);
      await loopTurn();
    }
    void follower.close(0);
    return { first: firsts[0], missed };
  }

  async function archiveDelivered(): Promise<ArchivePlan> {
    const { next } = await cursors().read('syslog:siem', 10_000);
    return archive(Math.max(0, next - 1_024));
  }

  it('keeps them in the store, also if it crashes while it repeats them (F24)', async () => {
    await follow(Number.MAX_SAFE_INTEGER);
    // 2,001 less 1,024 is 977; archived parts end at a multiple of 256.
    expect(await archiveDelivered()).toMatchObject({ end: 768, limitedBy: 'sink' });
    expect(await follow(1)).toEqual({ first: 977, missed: [] });
    expect(await archiveDelivered()).toMatchObject({ first: 768, end: 768 });
    expect(await follow(1)).toEqual({ first: 977, missed: [] });
  });
});
