import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { OpenedStore } from '../../../../src/store/index.ts';
import { openSqliteStore } from '../../../../src/store/sqlite/open-sqlite-store.ts';
import { FakeAuditChain } from '../../../kit/fakes/fake-audit-chain.ts';
import { leaseRow } from '../../../kit/fakes/store-rows.ts';
import { HandClock } from '../../../kit/time/hand-clock.ts';

describe('a store that syncs beside the event loop', () => {
  let directory: string;
  let chain: FakeAuditChain;
  let store: OpenedStore;
  let failAt: string | undefined;
  let events: string[];

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'quaymaster-pool-'));
    chain = new FakeAuditChain();
    failAt = undefined;
    events = [];
    const failpoint = (name: string): void => {
      if (name === failAt) throw new Error(name);
    };
    store = await openSqliteStore(
      { path: join(directory, 'store', 'store.db'), ballastBytes: 0, syncsInPool: true },
      { chain, clock: new HandClock(), mode: 'development', failpoint },
    );
  });
  afterEach(async () => {
    await store.close();
    rmSync(directory, { recursive: true });
  });

  const put = (id: string) => ({ table: 'leases', put: leaseRow(id) }) as const;
  const noted = (name: string, work: Promise<unknown>): Promise<unknown> =>
    work.then(
      () => events.push(name),
      (error: unknown) => events.push(`${name} ${(error as { code: string }).code}`),
    );
  /** Resolves when the plans of this turn are written. Their sync cannot have ended, because its callback needs a later phase of the event loop. */
  const written = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

  it('shows a commit to no caller before it is durable', async () => {
    store.watch((changes) => events.push(`change ${changes.map(({ seq }) => seq).join(', ')}`));
    const plan = { writes: [put('a')], entries: ['{}'], invalidates: ['session:s'] };
    const committed = noted('committed', store.commit(plan));
    await written();
    expect([chain.kept, store.seq(), events]).toEqual([0, 0, []]);
    const read = noted('read', store.get('leases', { id: 'a' }));
    await Promise.all([committed, read]);
    expect(events).toEqual(['change 1', 'committed', 'read']);
    expect([chain.kept, store.seq()]).toEqual([1, 1]);
  });

  it('settles overlapping commits in the order of their writes', async () => {
    const commits = [];
    for (const id of ['a', 'b', 'c', 'd', 'e']) {
      commits.push(noted(id, store.commit({ writes: [put(id)], entries: ['{}'] })));
      await written();
    }
    await Promise.all(commits);
    expect(events).toEqual(['a', 'b', 'c', 'd', 'e']);
    expect(chain.kept).toBeGreaterThan(1);
  });

  it('refuses a decision from before an invalidation that is not durable yet', async () => {
    const invalidated = store.commit({ invalidates: ['policies'] });
    await written();
    const decided = { decidedAt: store.seq(), reads: ['policies'] };
    const outcomes = [
      await store.commit({ ...decided, entries: ['{}'] }),
      await invalidated,
      await store.commit({ decidedAt: store.seq(), reads: ['policies'], invalidates: ['seal'] }),
    ];
    expect(outcomes).toEqual([
      { status: 'stale' },
      { status: 'committed', seq: 1 },
      { status: 'committed', seq: 2 },
    ]);
  });

  it('makes earlier commits durable before it treats the fault of a later one', async () => {
    const first = noted('first', store.commit({ writes: [put('a')], entries: ['{}'] }));
    await written();
    failAt = 'store.before_commit';
    const second = noted('second', store.commit({ writes: [put('b')], entries: ['{}'] }));
    await Promise.all([first, second]);
    expect(events).toEqual(['first', 'second ERR_AUDIT_UNAVAILABLE']);
    failAt = undefined;
    await store.commit({ writes: [put('c')], entries: ['{}'] });
    expect(await store.get('leases', { id: 'b' })).toBeUndefined();
    expect([chain.kept, chain.dropped]).toEqual([2, 1]);
  });

  it('leaves the outcome of all commits in flight unknown when a sync fails, and repeats reads', async () => {
    const first = noted('first', store.commit({ writes: [put('a')], entries: ['{}'] }));
    await written();
    failAt = 'store.after_commit';
    const second = noted('second', store.commit({ writes: [put('b')], entries: ['{}'] }));
    await written();
    const read = store.get('leases', { id: 'b' });
    await Promise.all([first, second]);
    failAt = undefined;
    expect(events).toEqual(['first ERR_OUTCOME_UNKNOWN', 'second ERR_OUTCOME_UNKNOWN']);
    expect(await read).toMatchObject({ id: 'b' });
    await store.commit({ entries: ['{}'] });
    expect(chain.kept).toBe(3);
  });
});
