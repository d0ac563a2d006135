import { afterEach, describe, expect, it } from '@jest/globals';
import { BrokerError } from '../../src/domain/errors.ts';
import type { Clock } from '../../src/ports/clock.ts';
import type { Change, Outcome, Plan, Write } from '../../src/ports/store.ts';
import type { Tables } from '../../src/ports/tables.ts';
import type { OpenedStore } from '../../src/store/index.ts';
import { bodiesOf, FakeAuditChain } from '../kit/fakes/fake-audit-chain.ts';
import { HandClock } from '../kit/time/hand-clock.ts';
import { credentialRow, leaseRow, sessionRow, versionRow } from '../kit/fakes/store-rows.ts';
import { countRows, listRows } from '../kit/store/table-rows.ts';

type LeaseConditions = Partial<Parameters<typeof listRows<'leases'>>[2]>;

/** An opened store, for the suite. */
export interface StoreParts {
  readonly chain: FakeAuditChain;
  readonly clock: Clock;
  readonly failpoint: (name: string) => void;
}

/** One database; `open` may be called again after `close`. */
export interface StoreFixture {
  open(parts: StoreParts): Promise<OpenedStore>;
  remove(): Promise<void>;
}

const put = (id: string, columns: Partial<Tables['leases']> = {}): Write => ({
  table: 'leases',
  put: leaseRow(id, columns),
});
const codeOf = async (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'resolved',
    (error: unknown) => (error instanceof BrokerError ? error.code : String(error)),
  );
const status = (outcome: Outcome): string => outcome.status;

/** The contract of every store. */
export function storeContract(name: string, makeFixture: () => Promise<StoreFixture>): void {
  describe(`the store on ${name}`, () => {
    let fixture: StoreFixture | undefined;
    let store: OpenedStore;
    let chain: FakeAuditChain;
    let clock: HandClock;
    let failAt: string | undefined;

    const open = async (): Promise<OpenedStore> => {
      fixture ??= await makeFixture();
      chain = new FakeAuditChain();
      clock = new HandClock(Date.now());
      const failpoint = (point: string): void => {
        if (point !== failAt) return;
        failAt = undefined;
        throw Object.assign(new Error(`failed at ${point}`), { code: 'SQLITE_IOERR_FSYNC' });
      };
      store = await fixture.open({ chain, clock, failpoint });
      return store;
    };
    const ids = async (query: LeaseConditions): Promise<string[]> =>
      (await listRows(store, 'leases', { limit: 100, ...query })).map(({ id }) => id);
    const bodies = async (): Promise<string[]> =>
      (
        await listRows(store, 'audit_batches', { equals: { writer: chain.writer }, limit: 1000 })
      ).flatMap(bodiesOf);

    afterEach(async () => {
      await store.close();
      await fixture?.remove();
      fixture = undefined;
      failAt = undefined;
    });

    describe('commits', () => {
      it('report the used space, and the limit', async () => {
        await open();
        const { usedBytes, limitBytes } = await store.space();
        expect(usedBytes).toBeGreaterThan(0);
        expect(limitBytes ?? Number.POSITIVE_INFINITY).toBeGreaterThan(usedBytes);
      });

      it('write rows, entries and invalidations of a plan together', async () => {
        await open();
        const outcome = await store.commit({
          writes: [put('a'), put('b')],
          entries: ['{"n":1}', '{"n":2}'],
          invalidates: ['session:ses_1', 'policies'],
        });
        expect(outcome).toEqual({ status: 'committed', seq: 2 });
        expect(store.seq()).toBe(2);
        expect(await ids({})).toEqual(['a', 'b']);
        expect(await bodies()).toEqual(['{"n":1}', '{"n":2}']);
        expect(await listRows(store, 'changes', { limit: 10 })).toMatchObject([
          { seq: 1, kind: 'session', key: 'ses_1' },
          { seq: 2, kind: 'policies', key: '' },
        ]);
      });

      it('answer committed with 0 when nothing was invalidated', async () => {
        await open();
        expect(await store.commit({ entries: ['{}'] })).toEqual({ status: 'committed', seq: 0 });
        expect(await store.commit({})).toEqual({ status: 'committed', seq: 0 });
        expect(chain.kept).toBe(1);
      });

      it('record the plans of one turn in one batch, in the order of the calls', async () => {
        await open();
        const plans = Array.from({ length: 64 }, (_, n) =>
          store.commit({ entries: [`{"n":${n}}`] }),
        );
        await Promise.all(plans);
        expect(await countRows(store, 'audit_batches', {})).toBe(1);
        expect(await bodies()).toEqual(Array.from({ length: 64 }, (_, n) => `{"n":${n}}`));
      });

      it('record the rows of several tables with the entries of their turn', async () => {
        await open();
        const texts = ['NULL', '{"a",b}', '\\x00"', ' ', ''];
        const rows = texts.map((path, n) =>
          leaseRow(`l${n}`, { path, cause: n === 0 ? null : path }),
        );
        const session = { table: 'sessions', put: sessionRow('s1') } as const;
        await Promise.all([
          ...rows.map((row, n) =>
            store.commit({ writes: [{ table: 'leases', put: row }], entries: [`${n}`] }),
          ),
          store.commit({ writes: [session], entries: ['5'] }),
        ]);
        for (const row of rows) expect(await store.get('leases', { id: row.id })).toEqual(row);
        expect(await store.get('sessions', { id: 's1' })).toEqual(sessionRow('s1'));
        expect(await bodies()).toEqual(['0', '1', '2', '3', '4', '5']);
        expect(await countRows(store, 'audit_batches', {})).toBe(1);
      });

      it('keep the last of the rows that plans of one turn put at the same place', async () => {
        await open();
        const plans = ['first', 'second'].map((path) => ({
          writes: [put('a', { path })],
          entries: [JSON.stringify(path)],
        }));
        const outcomes = await Promise.all(plans.map((plan) => store.commit(plan)));
        expect(outcomes.map(status)).toEqual(['committed', 'committed']);
        expect(await store.get('leases', { id: 'a' })).toMatchObject({ path: 'second' });
        expect(await bodies()).toEqual(['"first"', '"second"']);
      });

      it('handle more plans than one batch takes, all of them and in order', async () => {
        await open();
        const plans = Array.from({ length: 2_500 }, (_, n) => store.commit({ entries: [`${n}`] }));
        await Promise.all(plans);
        expect(await bodies()).toEqual(Array.from({ length: 2_500 }, (_, n) => `${n}`));
      });

      it('let a later plan of the turn see the writes of an earlier one', async () => {
        await open();
        const [first, second, third] = await Promise.all([
          store.commit({ writes: [put('a', { state: 'live' })] }),
          store.commit({
            expect: [{ table: 'leases', key: { id: 'a' }, match: { state: 'live' } }],
            writes: [{ table: 'leases', key: { id: 'a' }, change: { state: 'ended' } }],
          }),
          store.commit({
            expect: [{ table: 'leases', key: { id: 'a' }, match: { state: 'live' } }],
            writes: [put('never')],
          }),
        ]);
        expect([first, second, third].map(status)).toEqual(['committed', 'committed', 'conflict']);
        expect(await ids({})).toEqual(['a']);
      });

      it('replace a whole row, change some columns, and remove by columns', async () => {
        await open();
        await store.commit({ writes: [put('a'), put('b'), put('c', { path: 'other' })] });
        await store.commit({
          writes: [
            put('a', { cause: 'revoked', pod_uid: null }),
            { table: 'leases', key: { id: 'c' }, change: { purge_at: 7 } },
            { table: 'leases', key: { id: 'absent' }, change: { purge_at: 7 } },
            { table: 'leases', remove: { id: 'b' } },
          ],
        });
        expect(await store.get('leases', { id: 'a' })).toEqual(
          leaseRow('a', { cause: 'revoked', pod_uid: null }),
        );
        expect(await store.get('leases', { id: 'b' })).toBeUndefined();
        expect(await store.get('leases', { id: 'c' })).toMatchObject({
          path: 'other',
          purge_at: 7,
        });
        await store.commit({ writes: [{ table: 'leases', remove: { pod_uid: null } }] });
        expect(await ids({})).toEqual(['c']);
      });

      it('put a row without further columns twice', async () => {
        await open();
        const row = { kind: 'path', term: 'a', bundle: 1 };
        await store.commit({ writes: [{ table: 'log_terms', put: row }] });
        await store.commit({ writes: [{ table: 'log_terms', put: row }] });
        expect(await countRows(store, 'log_terms', {})).toBe(1);
      });
    });

    describe('expectations', () => {
      it('conflict alone, with the place of the failure, and write nothing', async () => {
        await open();
        await store.commit({ writes: [put('a')] });
        const [bad, good] = await Promise.all([
          store.commit({
            expect: [
              { table: 'leases', key: { id: 'a' }, match: { state: 'live' } },
              { table: 'leases', key: { id: 'a' }, absent: true },
            ],
            writes: [put('x')],
            entries: ['"x"'],
            invalidates: ['policies'],
          }),
          store.commit({ writes: [put('y')], entries: ['"y"'] }),
        ]);
        expect(bad).toEqual({ status: 'conflict', index: 1 });
        expect(good).toEqual({ status: 'committed', seq: 0 });
        expect(await ids({})).toEqual(['a', 'y']);
        expect(await bodies()).toEqual(['"y"']);
        expect(store.seq()).toBe(0);
      });

      it('match null as a value', async () => {
        await open();
        await store.commit({ writes: [put('a', { pod_uid: null })] });
        const expecting = (pod_uid: string | null): Plan => ({
          expect: [{ table: 'leases', key: { id: 'a' }, match: { pod_uid } }],
        });
        expect(await store.commit(expecting(null))).toMatchObject({ status: 'committed' });
        expect(await store.commit(expecting('pod-1'))).toEqual({ status: 'conflict', index: 0 });
      });

      it('conflict on bytes and numbers that differ', async () => {
        await open();
        const row = versionRow('sec_1', 1, new Uint8Array([1, 2]));
        await store.commit({ writes: [{ table: 'secret_versions', put: row }] });
        const expecting = (match: Partial<Tables['secret_versions']>): Promise<Outcome> =>
          store.commit({
            expect: [{ table: 'secret_versions', key: { secret_id: 'sec_1', version: 1 }, match }],
          });
        expect(await expecting({ ciphertext: new Uint8Array([1, 2]) })).toMatchObject({
          status: 'committed',
        });
        expect(await expecting({ ciphertext: new Uint8Array([1]) })).toMatchObject({
          status: 'conflict',
        });
        expect(await expecting({ created_at: 1_001 })).toMatchObject({ status: 'conflict' });
      });

      it('let one of two plans of a turn create a row that both expect to be absent', async () => {
        await open();
        const create = (path: string): Promise<Outcome> =>
          store.commit({
            expect: [{ table: 'leases', key: { id: 'a' }, absent: true }],
            writes: [put('a', { path })],
          });
        expect(await Promise.all([create('one'), create('two')])).toEqual([
          { status: 'committed', seq: 0 },
          { status: 'conflict', index: 0 },
        ]);
        expect(await store.get('leases', { id: 'a' })).toMatchObject({ path: 'one' });
      });

      it('conflict with -1 when a unique rule of the schema refuses a row, and keep nothing of the plan', async () => {
        await open();
        const credential = (id: string): Write => ({
          table: 'credentials',
          put: credentialRow(id, { idempotency_key: 'same' }),
        });
        const [first, second, third] = await Promise.all([
          store.commit({ writes: [credential('a')] }),
          store.commit({ writes: [put('lost'), credential('b')], entries: ['"lost"'] }),
          store.commit({ writes: [put('kept')], entries: ['"kept"'] }),
        ]);
        expect(first).toMatchObject({ status: 'committed' });
        expect(second).toEqual({ status: 'conflict', index: -1 });
        expect(third).toMatchObject({ status: 'committed' });
        expect(await ids({})).toEqual(['kept']);
        expect(await bodies()).toEqual(['"kept"']);
      });

      it('conflict with -1 for a plan that only puts rows, and keep the others of its turn', async () => {
        await open();
        const plans = ['kept', 'lost'].map((id) => ({
          writes: [put(id), { table: 'sessions', put: sessionRow(id) } as const],
          entries: [JSON.stringify(id)],
        }));
        const [first, second] = await Promise.all(plans.map((plan) => store.commit(plan)));
        expect(first).toMatchObject({ status: 'committed' });
        expect(second).toEqual({ status: 'conflict', index: -1 });
        expect(await ids({})).toEqual(['kept']);
        expect(await bodies()).toEqual(['"kept"']);
      });
    });

    describe('the fence', () => {
      it('refuses a decision from before an invalidation of what it read', async () => {
        await open();
        const decidedAt = store.seq();
        await store.commit({ invalidates: ['session:ses_1'] });
        const decide = (reads: string[], at = decidedAt): Promise<Outcome> =>
          store.commit({ decidedAt: at, reads, entries: ['{}'], writes: [put('x')] });
        expect(await decide(['policies', 'session:ses_1'])).toEqual({ status: 'stale' });
        expect(await decide(['session:ses_2'])).toMatchObject({ status: 'committed' });
        expect(await decide(['session:ses_1'], store.seq())).toMatchObject({ status: 'committed' });
        expect(chain.kept).toBe(2);
      });

      it('counts invalidations of earlier plans of the same turn only', async () => {
        await open();
        const read = (): Promise<Outcome> =>
          store.commit({ decidedAt: store.seq(), reads: ['pod:c1/p'], entries: ['{}'] });
        const outcomes = await Promise.all([
          read(),
          store.commit({ invalidates: ['pod:c1/p'], decidedAt: 0, reads: ['pod:c1/p'] }),
          read(),
        ]);
        expect(outcomes.map(status)).toEqual(['committed', 'committed', 'stale']);
      });

      it('ignores invalidations of a plan that did not commit', async () => {
        await open();
        const [bad, read] = await Promise.all([
          store.commit({
            expect: [{ table: 'leases', key: { id: 'none' }, match: { state: 'live' } }],
            invalidates: ['policies'],
          }),
          store.commit({ decidedAt: 0, reads: ['policies'], entries: ['{}'] }),
        ]);
        expect([bad, read].map(status)).toEqual(['conflict', 'committed']);
      });

      it('checks no plan without a decision', async () => {
        await open();
        await store.commit({ invalidates: ['policies'] });
        expect(await store.commit({ reads: ['policies'] })).toMatchObject({ status: 'committed' });
      });

      it('refuses a plan whose authority has expired, at that exact millisecond', async () => {
        await open();
        const ending = (notAfter: number): Promise<Outcome> =>
          store.commit({ notAfter, entries: ['{}'] });
        clock.advance(60_000);
        const now = clock.now();
        expect(await ending(now + 60_000)).toMatchObject({ status: 'committed' });
        expect(await ending(now)).toEqual({ status: 'stale' });
        expect(await ending(now - 1)).toEqual({ status: 'stale' });
      });

      it('reports every change to listeners once, in order, after the commit and before its caller', async () => {
        await open();
        const seen: Change[] = [];
        const order: string[] = [];
        const end = store.watch((changes) => {
          seen.push(...changes);
          order.push(`heard ${store.seq()}`);
        });
        await Promise.all([
          store.commit({ invalidates: ['a:1', 'a:2'] }).then(() => order.push('committed')),
          store.commit({ invalidates: ['a:1'] }),
        ]);
        expect(seen.map(({ seq, kind, key }) => [seq, `${kind}:${key}`])).toEqual([
          [1, 'a:1'],
          [2, 'a:2'],
          [3, 'a:1'],
        ]);
        expect(seen.every(({ at }) => at > 0)).toBe(true);
        expect(order).toEqual(['heard 3', 'committed']);
        end();
        await store.commit({ invalidates: ['a:3'] });
        expect(seen).toHaveLength(3);
      });

      it('continues its numbers after it was opened again', async () => {
        await open();
        await store.commit({ invalidates: ['a', 'b'] });
        await store.close();
        await open();
        expect(store.seq()).toBe(2);
        expect(await store.commit({ invalidates: ['c'] })).toEqual({ status: 'committed', seq: 3 });
      });

      it('prunes old changes except the newest', async () => {
        await open();
        await store.commit({ invalidates: ['a', 'b', 'c'] });
        clock.advance(25 * 3_600_000);
        while ((await countRows(store, 'changes', {})) > 1) await new Promise(setImmediate);
        expect(await listRows(store, 'changes', { limit: 5 })).toMatchObject([{ seq: 3 }]);
        expect(await store.commit({ invalidates: ['d'] })).toEqual({ status: 'committed', seq: 4 });
      });
    });

    describe('lists', () => {
      const fill = async (): Promise<void> => {
        await open();
        await store.commit({
          writes: [
            put('l1', { path: 'a/b', ends_at: 10, purge_at: null }),
            put('l2', { path: 'a/c', ends_at: 30, purge_at: 5 }),
            put('l3', { path: 'a%', ends_at: 20, purge_at: null }),
            put('l4', { path: 'b', ends_at: 20, pod_uid: null, purge_at: 4 }),
            put('l5', { path: 'a/\u{10ffff}', ends_at: 40, purge_at: 6 }),
            put('l6', { path: 'A/b', ends_at: 50, purge_at: null }),
          ],
        });
      };

      it('select by equal columns, null among them', async () => {
        await fill();
        expect(await ids({ equals: { ends_at: 20 } })).toEqual(['l3', 'l4']);
        expect(await ids({ equals: { pod_uid: null } })).toEqual(['l4']);
        expect(await ids({ equals: { path: 'a/b', ends_at: 11 } })).toEqual([]);
      });

      it('select by prefix, byte by byte, without wildcards or folding of case', async () => {
        await fill();
        expect(await ids({ startsWith: { path: 'a/' } })).toEqual(['l1', 'l2', 'l5']);
        expect(await ids({ startsWith: { path: 'a%' } })).toEqual(['l3']);
        expect(await ids({ startsWith: { path: '' } })).toHaveLength(6);
        expect(await ids({ startsWith: { path: 'a/\u{10ffff}' } })).toEqual(['l5']);
        expect(await ids({ startsWith: { path: '\u{10ffff}' } })).toEqual([]);
      });

      it('include both bounds', async () => {
        await fill();
        expect(await ids({ from: { ends_at: 20 }, upTo: { ends_at: 30 } })).toEqual([
          'l2',
          'l3',
          'l4',
        ]);
        expect(await ids({ upTo: { purge_at: 5 } })).toEqual(['l2', 'l4']);
      });

      it('order by columns and then by the key, with null first ascending and last descending', async () => {
        await fill();
        expect(await ids({ orderBy: ['ends_at'] })).toEqual(['l1', 'l3', 'l4', 'l2', 'l5', 'l6']);
        expect(await ids({ orderBy: ['purge_at'] })).toEqual(['l1', 'l3', 'l6', 'l4', 'l2', 'l5']);
        expect(await ids({ orderBy: ['purge_at'], descending: true })).toEqual([
          'l5',
          'l2',
          'l4',
          'l6',
          'l3',
          'l1',
        ]);
        expect(await ids({ orderBy: ['path'] })).toEqual(['l6', 'l3', 'l1', 'l2', 'l5', 'l4']);
        expect(await ids({ descending: true })).toEqual(['l6', 'l5', 'l4', 'l3', 'l2', 'l1']);
      });

      it.each<[string, LeaseConditions]>([
        ['the key', {}],
        ['the key, down', { descending: true }],
        ['a column', { orderBy: ['ends_at'] }],
        ['two columns, down', { orderBy: ['path', 'ends_at'], descending: true }],
        ['a column with null', { orderBy: ['purge_at'] }],
        ['a column with null, down', { orderBy: ['purge_at'], descending: true }],
        [
          'a column with null and another',
          { orderBy: ['purge_at', 'ends_at'], from: { ends_at: 20 } },
        ],
      ])('page through an order by %s without loss or repeat', async (_order, query) => {
        await fill();
        const all = await ids(query);
        for (const limit of [1, 2, 4]) {
          const paged: string[] = [];
          let page = await listRows(store, 'leases', { ...query, limit });
          while (page.length > 0) {
            paged.push(...page.map(({ id }) => id));
            page = await listRows(store, 'leases', { ...query, limit, after: page.at(-1)! });
          }
          expect(paged).toEqual(all);
        }
      });

      it('name the writers whose last batch is not in the tree, in order', async () => {
        await open();
        expect(await store.pendingWriters()).toEqual([]);
        const empty = new Uint8Array();
        const batch = (writer: string, first_seq: number): Write => ({
          table: 'audit_batches',
          put: { writer, first_seq, count: 1, entries: empty, head: empty, signature: empty },
        });
        const segment = (first_index: number, writer: string, first_seq: number): Write => ({
          table: 'log_segments',
          put: { first_index, writer, first_seq, count: 1 },
        });
        const writes = ['w3', 'w1', 'w2', 'w4'].flatMap((name) => [batch(name, 1), batch(name, 9)]);
        // Of `w2`, all batches are in the tree, of `w3` one is missing, of `w4` all are.
        writes.push(segment(0, 'w3', 1), segment(1, 'w2', 1), segment(2, 'w2', 9));
        await store.commit({ writes });
        expect(await store.pendingWriters()).toEqual(['w1', 'w3', 'w4']);
      });

      it('count', async () => {
        await fill();
        expect(await countRows(store, 'leases', {})).toBe(6);
        expect(await countRows(store, 'leases', { purge_at: null })).toBe(3);
      });
    });

    describe('values', () => {
      it('keep large blobs, empty blobs, all of Unicode and the largest integers', async () => {
        await open();
        const blob = new Uint8Array(3 * 1024 * 1024).map((_, index) => (index * 31) % 251);
        const text = `${String.fromCharCode(...Array.from({ length: 127 }, (_, n) => n + 1))}é\u{1f511}\uffff`;
        await store.commit({
          writes: [
            { table: 'secret_versions', put: versionRow('sec_1', 1, blob) },
            { table: 'secret_versions', put: versionRow('sec_1', 2, new Uint8Array()) },
            put('big', { path: text, ends_at: Number.MAX_SAFE_INTEGER, issued_at: -5 }),
          ],
        });
        const [one, two] = await listRows(store, 'secret_versions', { limit: 2 });
        expect(Buffer.from(one!.ciphertext!).equals(blob)).toBe(true);
        expect(two!.ciphertext).toBeInstanceOf(Uint8Array);
        expect(two!.ciphertext).toHaveLength(0);
        expect(await store.get('leases', { id: 'big' })).toMatchObject({
          path: text,
          ends_at: Number.MAX_SAFE_INTEGER,
          issued_at: -5,
        });
      });

      it.each([
        ['NUL', 'db\0x'],
        ['a lone high surrogate', 'a\ud800'],
        ['a lone low surrogate', '\udc01a'],
      ])('refuse text with %s wherever it appears', async (_what, text) => {
        await open();
        const refused = [
          store.commit({ writes: [put('ok'), put(text)] }),
          store.commit({
            writes: [{ table: 'leases', key: { id: 'a' }, change: { cause: text } }],
          }),
          store.commit({ writes: [{ table: 'leases', remove: { path: text } }] }),
          store.commit({ expect: [{ table: 'leases', key: { id: text }, absent: true }] }),
          store.commit({ invalidates: [`session:${text}`] }),
          store.get('leases', { id: text }),
          countRows(store, 'leases', { path: text }),
          listRows(store, 'leases', { limit: 1, equals: { path: text } }),
          listRows(store, 'leases', { limit: 1, startsWith: { path: text } }),
        ];
        for (const work of refused) expect(await codeOf(work)).toBe('ERR_REQUEST_INVALID');
        expect(await countRows(store, 'leases', {})).toBe(0);
      });

      it('refuse a value that no schema allows, and that plan alone', async () => {
        await open();
        const wrong = [
          { writes: [{ table: 'leases', remove: {} }] },
          { writes: [{ table: 'leases', remove: { id: undefined } }] },
          { writes: [{ table: 'leases', put: { id: 'a' } }] },
          { writes: [{ table: 'leases', put: { ...leaseRow('a'), extra: 1 } }] },
          { writes: [{ table: 'leases', put: { ...leaseRow('a'), path: null } }] },
          { writes: [{ table: 'leases', put: { ...leaseRow('a'), ends_at: 1.5 } }] },
          { writes: [{ table: 'leases', put: { ...leaseRow('a'), ends_at: 2 ** 53 } }] },
          { writes: [{ table: 'leases', key: {}, change: { cause: 'x' } }] },
          { writes: [{ table: 'leases', key: { id: 'a' }, change: { 'id" = 1; --': 'x' } }] },
          { writes: [{ table: 'changes', put: { seq: 9, kind: 'a', key: '', at: 1 } }] },
          { expect: [{ table: 'leases', key: { id: 'a', path: 'b' }, absent: true }] },
        ] as unknown as Plan[];
        const results = wrong.map((plan) => codeOf(store.commit(plan)));
        const good = store.commit({ writes: [put('good')] });
        expect(await Promise.all(results)).toEqual(wrong.map(() => 'ERR_INTERNAL'));
        expect(await good).toMatchObject({ status: 'committed' });
        expect(await codeOf(listRows(store, 'leases', { limit: 0 }))).toBe('ERR_INTERNAL');
        expect(await ids({})).toEqual(['good']);
      });
    });

    describe('bounds and shutdown', () => {
      it('answer busy when too many plans wait, and commit the accepted ones', async () => {
        await open();
        const plans = Array.from({ length: 16_400 }, () =>
          codeOf(store.commit({ entries: ['{}'] })),
        );
        const codes = await Promise.all(plans);
        expect(codes.filter((code) => code === 'resolved')).toHaveLength(16_384);
        expect(codes.filter((code) => code === 'ERR_BUSY')).toHaveLength(16);
      });

      it('commit waiting plans before the store closes, and nothing afterwards', async () => {
        await open();
        const waiting = Array.from({ length: 100 }, (_, n) =>
          store.commit({ writes: [put(`l${n}`)] }),
        );
        const closed = store.close();
        expect(await codeOf(store.commit({ writes: [put('late')] }))).toBe('ERR_STORE_UNAVAILABLE');
        expect(
          (await Promise.all(waiting)).every((outcome) => status(outcome) === 'committed'),
        ).toBe(true);
        await closed;
        expect(await codeOf(store.get('leases', { id: 'l1' }))).toBe('ERR_STORE_UNAVAILABLE');
        await open();
        expect(await countRows(store, 'leases', {})).toBe(100);
      });

      it('keep everything when the store is opened again', async () => {
        await open();
        await store.commit({ writes: [put('a')], entries: ['{}'], invalidates: ['policies'] });
        await store.close();
        await open();
        expect(await store.get('leases', { id: 'a' })).toEqual(leaseRow('a'));
        expect(await countRows(store, 'audit_batches', {})).toBe(1);
        expect(store.fault()).toBeUndefined();
      });
    });

    describe('a failing commit', () => {
      it.each([
        ['store.before_commit', 0, 1, ['ERR_AUDIT_UNAVAILABLE', 'ERR_STORE_UNAVAILABLE']],
        ['store.after_commit', 1, 0, ['ERR_OUTCOME_UNKNOWN', 'ERR_OUTCOME_UNKNOWN']],
      ])(
        'releases nothing, and finds out what is durable (%s)',
        async (point, kept, dropped, said) => {
          await open();
          const heard: Change[] = [];
          store.watch((changes) => heard.push(...changes));
          failAt = point;
          const codes = await Promise.all([
            codeOf(
              store.commit({ writes: [put('a')], entries: ['"a"'], invalidates: ['policies'] }),
            ),
            codeOf(store.commit({ writes: [put('b')] })),
          ]);
          expect(codes).toEqual(said);
          expect(await store.commit({ entries: ['"c"'], writes: [put('c')] })).toMatchObject({
            status: 'committed',
          });
          expect(chain.kept).toBe(kept + 1);
          // A server that still ends the lost session may refuse the next attempt once; it is repeated.
          expect(chain.dropped).toBeGreaterThanOrEqual(dropped);
          expect(await bodies()).toEqual(kept === 1 ? ['"a"', '"c"'] : ['"c"']);
          expect(await ids({})).toEqual(kept === 1 ? ['a', 'b', 'c'] : ['c']);
          expect(heard.map(({ seq }) => seq)).toEqual(kept === 1 ? [1] : []);
          expect(store.fault()).toBeUndefined();
        },
      );

      it.each([
        ['store.before_commit', 'ERR_STORE_UNAVAILABLE', []],
        ['store.after_commit', 'ERR_OUTCOME_UNKNOWN', ['a']],
      ])(
        'is distinguished from one that never began, without entries too (%s)',
        async (point, said, left) => {
          await open();
          failAt = point;
          expect(await codeOf(store.commit({ writes: [put('a')] }))).toBe(said);
          expect(await codeOf(store.commit({ writes: [put('b')] }))).toBe('resolved');
          expect(await ids({})).toEqual([...left, 'b']);
        },
      );
    });
  });
}
