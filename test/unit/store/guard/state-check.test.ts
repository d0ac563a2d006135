import { expect, it, jest } from '@jest/globals';
import { KeyringRowMacs } from '../../../../src/broker/kernel/row-macs.ts';
import { Keyring } from '../../../../src/crypto/keys/keyring.ts';
import { generateRootKey } from '../../../../src/crypto/keys/root-keys.ts';
import { SetHash } from '../../../../src/crypto/hashes/set-hash.ts';
import type { Log } from '../../../../src/ports/log.ts';
import type { Store } from '../../../../src/ports/store.ts';
import type { DigestedTable } from '../../../../src/ports/tables.ts';
import { DIGESTED } from '../../../../src/store/guard/guarded-tables.ts';
import { RowGuard, type DigestRow } from '../../../../src/store/guard/row-guard.ts';
import { refuseWhileHeld } from '../../../../src/program/installation/refuse-while-held.ts';
import { ROOT_KEYS, SECRETS } from '../../../../src/ports/queries.ts';
import { StateSweep } from '../../../../src/program/upkeep/state-sweep.ts';
import { HandClock } from '../../../kit/time/hand-clock.ts';
import {
  checkState,
  readPages,
  type LoggedDigests,
} from '../../../../src/store/guard/state-check.ts';

/** A store without rows whose digests are as its log names them. */
function emptyStore() {
  const keyring = new Keyring(generateRootKey());
  const guard = new RowGuard({ entry: () => '{}' });
  guard.open({ keyring, rows: new KeyringRowMacs(keyring) });
  const empty = (kind: DigestedTable, generation: number): DigestRow =>
    guard.createDigest(kind, { generation, count: 0, set: SetHash.empty() });
  const digests = new Map<string, DigestRow>(DIGESTED.map((kind) => [kind, empty(kind, 1)]));
  const named = new Map(digests);
  const log = { reads: 0, beforeRead: undefined as ((read: number) => void) | undefined };
  const foreign: object[] = [];
  const reads = { one: 0, all: 0 };
  const store = {
    get: (_: string, { kind }: { readonly kind: string }) => {
      reads.one += 1;
      return Promise.resolve(digests.get(kind));
    },
    list: (
      { spec }: { readonly spec: { readonly table: string } },
      { limit }: { readonly limit: number },
    ) => {
      if (spec.table !== 'state_digests') return Promise.resolve([]);
      reads.all += 1;
      return Promise.resolve([...foreign, ...digests.values()].slice(0, limit));
    },
  } as unknown as Store;
  const logged = (): Promise<LoggedDigests> => {
    log.reads += 1;
    log.beforeRead?.(log.reads);
    const now = new Map(named);
    return Promise.resolve({
      get: (kind: string) => {
        const row = now.get(kind);
        return row && { generation: row.generation, digest: guard.shortDigest(row) };
      },
    });
  };
  const check = (later: readonly DigestedTable[] = []) =>
    checkState(store, guard, { logged, later });
  return { store, guard, digests, named, log, empty, check, foreign, reads };
}

/** A digest over more rows of secrets than a start compares. */
function manySecrets({ guard, digests, named }: ReturnType<typeof emptyStore>): void {
  const many = guard.createDigest('secrets', {
    generation: 2,
    count: 10_001,
    set: SetHash.empty(),
  });
  digests.set('secrets', many);
  named.set('secrets', many);
}

const write = (): void => undefined;
const silentLog: Log = { info: write, warn: write, error: write };

/** A sweep after a start that left out secrets, and the store that the parts of the broker read. */
function deferred({ store, guard, digests }: ReturnType<typeof emptyStore>) {
  const clock = new HandClock();
  guard.defer(digests.get('secrets')!);
  const sweep = new StateSweep({ store, guard, clock, log: silentLog });
  const read = refuseWhileHeld(store, store, {
    isHeld: () => guard.isHeld,
    proof: (table) => guard.proof(table),
  });
  return { clock, sweep, read };
}

it('reads fewer rows in a turn of the event loop while their texts are long', async () => {
  const bodies = [...Array.from({ length: 30 }, () => 'x'.repeat(200_000)), ...Array(300).fill('')];
  const limits: number[] = [];
  let at = 0;
  const store = {
    list: (_: unknown, { limit }: { readonly limit: number }) => {
      limits.push(limit);
      const rows = bodies.slice(at, (at += limit)).map((body: string, i) => ({ i, body }));
      return Promise.resolve(rows);
    },
  } as unknown as Store;
  let count = 0;
  for await (const page of readPages(store, 'documents')) count += page.length;
  expect(count).toBe(330);
  expect(limits).toEqual([8, 4, 2, 4, 2, 4, 2, 4, 2, 4, 8, 16, 32, 64, 128, 128]);
});

it('reads the log and the digests twice, whatever the number of kinds of rows', async () => {
  const { log, reads, check } = emptyStore();
  expect(await check()).toEqual({ isNew: false, problems: [], deferred: [] });
  expect(log.reads).toBe(2);
  expect(reads).toEqual({ one: 0, all: 2 });
});

it('finds the digest of each kind beside any number of foreign rows', async () => {
  const { foreign, check } = emptyStore();
  foreign.push(...Array.from({ length: 1_000 }, (_, at) => ({ kind: `a${at}` })));
  expect(await check()).toEqual({ isNew: false, problems: [], deferred: [] });
});

it('reports a new installation only if neither the store nor the log has a digest', async () => {
  const { digests, named, check } = emptyStore();
  digests.clear();
  const { isNew, problems } = await check();
  expect(isNew).toBe(false);
  expect(problems).toHaveLength(DIGESTED.length);
  expect(problems).toContainEqual(
    expect.objectContaining({ reason: 'rows_behind', kind: 'documents' }),
  );
  named.clear();
  expect(await check()).toEqual({ isNew: true, problems: [], deferred: [] });
});

it('accepts a commit of another replica after its rows were read', async () => {
  const { digests, named, log, empty, check } = emptyStore();
  log.beforeRead = (read) => {
    if (read !== 2) return;
    digests.set('secrets', empty('secrets', 2));
    named.set('secrets', empty('secrets', 2));
  };
  expect(await check()).toEqual({ isNew: false, problems: [], deferred: [] });
});

it('reports rows that are older than the log when the log is read last', async () => {
  const { named, log, empty, check } = emptyStore();
  log.beforeRead = (read) => {
    if (read === 2) named.set('secrets', empty('secrets', 2));
  };
  expect((await check()).problems).toMatchObject([{ reason: 'rows_behind', kind: 'secrets' }]);
});

it('reports a digest that the log does not name', async () => {
  const { digests, empty, check } = emptyStore();
  digests.set('secrets', empty('secrets', 2));
  expect((await check()).problems).toMatchObject([{ reason: 'rows_differ', kind: 'secrets' }]);
});

it('leaves many rows for later, and compares their digest with the log', async () => {
  const opened = emptyStore();
  manySecrets(opened);
  expect(await opened.check(['secrets'])).toMatchObject({
    isNew: false,
    problems: [],
    deferred: [{ kind: 'secrets', count: 10_001 }],
  });
  expect((await opened.check()).problems).toMatchObject([{ kind: 'secrets' }]);
  opened.named.set('secrets', opened.empty('secrets', 3));
  expect((await opened.check(['secrets'])).problems).toMatchObject([
    { reason: 'rows_behind', kind: 'secrets' },
  ]);
});

it('compares few rows at the start', async () => {
  const { check } = emptyStore();
  expect(await check(['secrets'])).toEqual({ isNew: false, problems: [], deferred: [] });
});

it('lets reads of rows that the start left out wait for their comparison, and no others', async () => {
  const opened = emptyStore();
  const { clock, sweep, read } = deferred(opened);
  const isRead = jest.fn();
  const waiting = read.get('secrets', { path: 'a' }).then(isRead);
  const listing = read.list(SECRETS.below('a'), { limit: 1 });
  await expect(read.list(ROOT_KEYS.byAge(), { limit: 1 })).resolves.toEqual([]);
  expect(isRead).not.toHaveBeenCalled();
  sweep.start();
  clock.advance(200);
  await waiting;
  await expect(listing).resolves.toEqual([]);
  expect(opened.guard.unproven).toEqual([]);
  await sweep.close();
});

it('holds the store and refuses waiting reads if such rows differ', async () => {
  const opened = emptyStore();
  manySecrets(opened);
  const { clock, sweep, read } = deferred(opened);
  const waiting = read.get('secrets', { path: 'a' });
  sweep.start();
  clock.advance(200);
  await expect(waiting).rejects.toMatchObject({ code: 'ERR_HELD' });
  await expect(read.get('secrets', { path: 'a' })).rejects.toMatchObject({ code: 'ERR_HELD' });
  expect(opened.guard.holds).toMatchObject([{ reason: 'rows_differ', kind: 'secrets' }]);
  await sweep.close();
});

it('holds the store if the digest of such rows is rolled back with them', async () => {
  const opened = emptyStore();
  opened.digests.set('secrets', opened.empty('secrets', 2));
  const { clock, sweep, read } = deferred(opened);
  opened.digests.set('secrets', opened.empty('secrets', 1));
  const waiting = read.get('secrets', { path: 'a' });
  sweep.start();
  clock.advance(200);
  await expect(waiting).rejects.toMatchObject({ code: 'ERR_HELD' });
  expect(opened.guard.holds).toMatchObject([{ reason: 'rows_behind', kind: 'secrets' }]);
  await sweep.close();
});
