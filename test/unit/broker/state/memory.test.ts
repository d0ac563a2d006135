import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { readHeads } from '../../../../src/broker/recording/audit.ts';
import { decodeCursor, encodeCursor } from '../../../../src/broker/state/cursor.ts';
import { LeaseQuota } from '../../../../src/broker/state/lease-quota.ts';
import { readSecret } from '../../../../src/broker/secrets/read-secrets.ts';
import { listRevocations } from '../../../../src/broker/leases/revocations.ts';
import { listAll } from '../../../../src/broker/kernel/list-all.ts';
import { readUnchanged } from '../../../../src/broker/kernel/read-unchanged.ts';
import type { LiveOperator } from '../../../../src/broker/state/operator-token-memory.ts';
import { BrokerError } from '../../../../src/domain/errors.ts';
import { credentialRow, leaseRow } from '../../../kit/fakes/store-rows.ts';
import { codeOf, policy, POD, TestBroker } from '../../../kit/broker/test-broker.ts';
import { allRows } from '../../../../src/ports/queries.ts';

let broker: TestBroker;
let admin: LiveOperator;

beforeEach(async () => {
  broker = await TestBroker.open();
  admin = await broker.seed();
  broker.backend.secrets.set('kv/db', { data: { v: '1' }, version: '1' });
});
afterEach(async () => broker.close());

const read = async () =>
  readSecret(broker.parts, broker.call(), await broker.logIn(), { path: 'kv/db' });

it('counts reads of current values from memory and from the backend, by connection', async () => {
  const live = await broker.logIn();
  for (let n = 0; n < 3; n += 1) {
    await readSecret(broker.parts, broker.call(), live, { path: 'kv/db' });
  }
  const { connection } = broker.parts.catalog.mounts.find('kv/db')!.spec;
  expect(Object.fromEntries(broker.parts.values.tallies)).toEqual({
    [connection]: { hits: 2, misses: 1 },
  });
});

describe('memory that follows changes', () => {
  it('stores no row that changed during its load, and fails if changes continue', async () => {
    const narrow = () => broker.store.real.commit({ invalidates: ['x'] });
    let tries = 0;
    const kept = await readUnchanged(
      broker.store,
      async () => {
        tries += 1;
        if (tries < 3) await narrow();
        return tries;
      },
      (result) => result,
    );
    expect(kept).toBe(3);
    const never = readUnchanged(broker.store, narrow, () => 'kept');
    expect(await codeOf(never)).toBe('ERR_BUSY');
  });

  it('loads a changed document again until it opens, and dependent requests wait for a limited time', async () => {
    const { parts, store } = broker;
    const row = (await store.get('documents', { kind: 'policy', name: 'all' }))!;
    const forged = { ...row, version: 9 };
    await store.real.commit({
      writes: [{ table: 'documents', put: forged }],
      invalidates: ['policies:all', 'document:policy/all'],
    });
    const live = await broker.logIn({}, 'c1').catch((error: unknown) => error);
    expect(live).not.toBeInstanceOf(BrokerError);
    const late = codeOf(parts.state.waitUntilCurrent());
    await new Promise((resolve) => setImmediate(resolve));
    broker.clock.advance(5_000);
    expect(await late).toBe('ERR_BUSY');
    await store.real.commit({ writes: [{ table: 'documents', put: row }] });
    const reached = parts.state.waitForChange(store.seq());
    broker.clock.advance(1_000);
    await reached;
    expect(parts.catalog.find('policy', 'all')!.version).toBe(1);
    expect(broker.logged.length).toBeGreaterThan(0);
  });

  it('releases every waiting caller once it is closed', async () => {
    const waiting = broker.parts.state.waitForChange(1_000_000);
    broker.parts.state.close();
    await waiting;
    await broker.parts.state.waitForChange(1_000_000);
  });

  it('refuses to start with a document that this installation did not seal', async () => {
    const row = (await broker.store.get('documents', { kind: 'mount', name: 'kv' }))!;
    const forged = { ...row, body: row.body.replace('kv', 'dyn') };
    await broker.store.real.commit({ writes: [{ table: 'documents', put: forged }] });
    expect(await codeOf(broker.parts.catalog.load())).toBe('ERR_CIPHERTEXT_INVALID');
  });

  it('reads tables of any length page by page', async () => {
    const puts = Array.from({ length: 1_001 }, (_, n) => leaseRow(`lea_${n}`));
    await broker.store.real.commit({
      writes: puts.map((put) => ({ table: 'leases', put })),
    });
    let rows = 0;
    for await (const { id } of listAll(broker.store, allRows('leases')))
      rows += id.startsWith('lea_') ? 1 : 0;
    expect(rows).toBe(1_001);
  });

  it('has every tombstone of a session, however many leases the session had', async () => {
    const { session } = await broker.logIn();
    expect(session.id).toMatch(/^ses_/);
    const live = await broker.logIn();
    const { uid: mount_uid } = broker.parts.catalog.find('mount', 'kv')!;
    const other = await broker.logIn();
    const { lease } = await readSecret(broker.parts, broker.call(), other, { path: 'kv/db' });
    const place = { path: 'kv/db', mount_uid, version: '1', generation: lease!.generation };
    const of = { session_id: live.session.id, ...place };
    const end = live.session.endsAt;
    await broker.store.real.commit({
      writes: [
        { table: 'leases', put: leaseRow('lea_a', { ...of, state: 'ended', cause: 'revoked' }) },
        { table: 'leases', put: leaseRow('lea_b', { ...of, ends_at: end, max_ends_at: end }) },
      ],
    });
    const reading = readSecret(broker.parts, broker.call(), live, { path: 'kv/db' });
    expect(await codeOf(reading)).toBe('ERR_DENIED');
  });
});

describe('decisions', () => {
  it('use the labels of a pod that a live watch knows', async () => {
    const rule = { effect: 'allow' };
    const document = policy('all', ['kv/**'], { rule }) as { spec: { subjects: object[] } };
    document.spec.subjects = [
      { clusters: ['c1'], namespaces: ['pay'], serviceAccounts: ['*'], podLabels: { app: 'x' } },
    ];
    await broker.put(admin, 'policy', 'all', document);
    expect(await codeOf(read())).toBe('ERR_DENIED');
    const watch = broker.watches.get('c1')!;
    watch.pods.set(POD.uid, { state: 'running', labels: new Map([['app', 'x']]) });
    expect(await codeOf(read())).toBe('no error');
    const live = await broker.logIn();
    watch.state = 'stale';
    const blind = readSecret(broker.parts, broker.call(), live, { path: 'kv/db' });
    expect(await codeOf(blind)).toBe('ERR_DENIED');
  });

  it('name the rule that denies, in the log only', async () => {
    const denying = policy('no', ['kv/**'], { rule: { effect: 'deny' } });
    await broker.put(admin, 'policy', 'no', denying);
    const entries = await broker.entriesOf(async () => {
      expect(await codeOf(read())).toBe('ERR_DENIED');
    });
    expect(entries.at(-1)).toMatchObject({ reason: 'denied_by_rule', policy: { name: 'no' } });
  });

  it('give not found on a path without a mount to callers that may read it', async () => {
    await broker.put(admin, 'policy', 'all', policy('all', ['none/**']));
    const live = await broker.logIn();
    const reading = readSecret(broker.parts, broker.call(), live, { path: 'none/x' });
    expect(await codeOf(reading)).toBe('ERR_NOT_FOUND');
  });
});

describe('a cursor', () => {
  it('is accepted only by its own list', () => {
    const cursor = encodeCursor(broker.parts, 'a', { at: 1 });
    expect(decodeCursor(broker.parts, 'a', cursor)).toEqual({ at: 1 });
    expect(decodeCursor(broker.parts, 'a', undefined)).toBeUndefined();
    for (const [list, text] of [
      ['b', cursor],
      ['a', `${cursor}.x`],
      ['a', ''],
      ['a', 'x'],
    ] as const) {
      expect(() => decodeCursor(broker.parts, list, text)).toThrow(BrokerError);
    }
  });

  it('pages the revoke queue', async () => {
    const puts = ['cred_a', 'cred_b'].map((id) =>
      credentialRow(id, { state: 'revoking', next_attempt_at: 5 }),
    );
    await broker.store.real.commit({ writes: puts.map((put) => ({ table: 'credentials', put })) });
    const list = (after?: string) =>
      listRevocations(broker.parts, broker.call(), admin, {
        state: 'revoking',
        page: { limit: 1, after },
      });
    const first = await list();
    const second = await list(first.next);
    expect([...first.items, ...second.items].map(({ credential }) => credential)).toEqual([
      'cred_a',
      'cred_b',
    ]);
    expect(second.next).toBeUndefined();
  });
});

/** Takes one lease of the workload; it is not in the count of unstored leases after that. */
async function taken(quota: LeaseQuota): Promise<void> {
  (await quota.take('w'))();
}

describe('the lease quota', () => {
  it('counts grants of other replicas repeatedly', async () => {
    let stored = 0;
    const count = () => Promise.resolve(stored);
    const quota = new LeaseQuota(Object.assign(Object.create(broker.store), { count }), {
      leasesPerWorkload: 32,
    });
    (await quota.take('w'))();
    stored = 31;
    (await quota.take('w'))();
    expect(await codeOf(taken(quota))).toBe('no error');
    stored = 32;
    expect(await codeOf(taken(quota))).toBe('ERR_LEASE_QUOTA');
    stored = 5;
    expect(await codeOf(taken(quota))).toBe('no error');
  });

  it('grants nothing while the count fails, and counts at the next attempt', async () => {
    let fails = true;
    const count = () =>
      fails ? Promise.reject(new BrokerError('ERR_STORE_UNAVAILABLE')) : Promise.resolve(0);
    const quota = new LeaseQuota(Object.assign(Object.create(broker.store), { count }), {
      leasesPerWorkload: 2,
    });
    expect(await codeOf(taken(quota))).toBe('ERR_STORE_UNAVAILABLE');
    fails = false;
    expect(await codeOf(taken(quota))).toBe('no error');
  });
});

describe('heads of the log', () => {
  it('are limited to one page', async () => {
    const asked: number[] = [];
    const heads = (_start: number, limit: number) => {
      asked.push(limit);
      return Promise.resolve([]);
    };
    Object.assign(broker.parts.audit, { heads });
    await readHeads(broker.parts, broker.call(), admin, 0);
    expect(asked).toEqual([1_000]);
  });
});
