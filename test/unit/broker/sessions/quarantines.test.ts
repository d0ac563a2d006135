import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { acknowledgeVersions } from '../../../../src/rotation/acknowledge.ts';
import { listRevocations } from '../../../../src/broker/leases/revocations.ts';
import { issueCredential } from '../../../../src/broker/credentials/issue-credential.ts';
import { createQuarantine, listQuarantines } from '../../../../src/broker/sessions/quarantines.ts';
import { readSecret } from '../../../../src/broker/secrets/read-secrets.ts';
import { renewSession } from '../../../../src/broker/sessions/renew-session.ts';
import { endMatchingSessions } from '../../../../src/broker/sessions/sessions.ts';
import { Quarantines } from '../../../../src/broker/state/quarantine-memory.ts';
import type { LiveOperator } from '../../../../src/broker/state/operator-token-memory.ts';
import type { LiveSession } from '../../../../src/broker/state/session-memory.ts';
import { quarantineWorker } from '../../../../src/broker/sessions/quarantine-worker.ts';
import type { QuarantineScope } from '../../../../src/domain/identity/quarantine.ts';
import { leaseRow } from '../../../kit/fakes/store-rows.ts';
import { codeOf, TestBroker } from '../../../kit/broker/test-broker.ts';
import { records } from '../../../kit/store/hooked-store.ts';
import { countRows, listRows } from '../../../kit/store/table-rows.ts';

const WORKLOAD: QuarantineScope = { kind: 'workload', subject: 'k8s://c1/pay/api' };
const POD: QuarantineScope = { kind: 'pod', subject: 'c1/pod-1' };

let broker: TestBroker;
let admin: LiveOperator;
let live: LiveSession;

beforeEach(async () => {
  broker = await TestBroker.open();
  admin = await broker.seed();
  live = await broker.logIn();
  broker.backend.secrets.set('kv/db', { data: { v: '1' }, version: '1' });
});
afterEach(async () => broker.close());

const quarantine = (scope = WORKLOAD, seconds?: number, by = admin) =>
  createQuarantine(broker.parts, broker.call(), by, { scope, reason: 'INC-7', seconds });
const read = (caller = live) => readSecret(broker.parts, broker.call(), caller, { path: 'kv/db' });
const order = () =>
  issueCredential({
    parts: broker.parts,
    call: broker.call(),
    live,
    order: { path: 'dyn/db', idempotencyKey: 'k' },
  });
const counts = async () => ({
  sessions: await countRows(broker.parts.store, 'sessions', {}),
  leases: await countRows(broker.parts.store, 'leases', { state: 'live' }),
  rows: await countRows(broker.parts.store, 'quarantines', {}),
});

/** One round of the worker. */
async function round(): Promise<void> {
  const worker = quarantineWorker(broker.parts);
  worker.start();
  for (let turns = 0; turns < 50; turns += 1) await new Promise((done) => setImmediate(done));
  await worker.stop();
}

describe.each([
  ['workload', WORKLOAD],
  ['pod', POD],
] as const)('a quarantine of a %s that commits first', (_kind, scope) => {
  it('refuses a login that was decided before (L22)', async () => {
    broker.store.once(records('session.create'), () => quarantine(scope));
    expect(await codeOf(broker.logIn())).toBe('ERR_DENIED');
    expect(await counts()).toEqual({ sessions: 0, leases: 0, rows: 1 });
  });

  it('refuses a read that was decided before (L22)', async () => {
    broker.store.once(records('secret.read'), () => quarantine(scope));
    expect(await codeOf(read())).toBe('ERR_UNAUTHENTICATED');
    expect(await counts()).toEqual({ sessions: 0, leases: 0, rows: 1 });
  });

  it('refuses a renewal of the session that was decided before', async () => {
    const { token: sessionToken } = await broker.openSession();
    const own = await broker.parts.sessions.find(sessionToken);
    broker.store.once(records('session.renew'), () => quarantine(scope));
    const renewed = renewSession(broker.parts, broker.call(), own!, {
      token: broker.token(),
      sessionToken,
    });
    expect(await codeOf(renewed)).toBe('ERR_UNAUTHENTICATED');
  });

  it('refuses an acknowledgement that was decided before', async () => {
    await read();
    broker.store.once(records('secret.acknowledge'), () => quarantine(scope));
    const item = { path: 'kv/db', version: '1', outcome: 'ok' } as const;
    const said = acknowledgeVersions(broker.parts, broker.call(), live, [item]);
    expect(await codeOf(said)).toBe('ERR_UNAUTHENTICATED');
  });

  it('refuses a credential that is being issued, and queues it for revocation (L22)', async () => {
    broker.store.once(records('credential.issue'), () => quarantine(scope));
    expect(await codeOf(order())).toBe('ERR_UNAUTHENTICATED');
    const [row] = await listRows(broker.parts.store, 'credentials', { limit: 2 });
    expect(row).toMatchObject({ state: 'revoking', sealed: null });
    expect(await counts()).toMatchObject({ leases: 0 });
  });
});

describe('a quarantine', () => {
  it('reports what is revoked and what a backend still has to revoke', async () => {
    await read();
    await order();
    const entries = await broker.entriesOf(async () => {
      const { ended } = await quarantine();
      expect(ended).toEqual({ sessions: 1, revoked: 1, revoking: 1, streams: 0 });
    });
    expect(entries.map(({ action, cause }) => `${action} ${String(cause)}`)).toEqual([
      'quarantine.create undefined',
      'session.end quarantined',
      'session.end quarantined',
      'lease.revoke quarantined',
      'lease.revoke quarantined',
    ]);
    const page = { limit: 10, after: undefined };
    const queued = await listRevocations(broker.parts, broker.call(), admin, {
      state: 'revoking',
      page,
    });
    expect(queued.items).toMatchObject([{ path: 'dyn/db', state: 'revoking' }]);
  });

  it('revokes thousands of leases in chunks (L23, F19)', async () => {
    const rows = Array.from({ length: 3_000 }, (_, n) =>
      leaseRow(`lea_${n}`, {
        session_id: live.session.id,
        workload: WORKLOAD.subject,
        path: `kv/${n}`,
        ends_at: broker.clock.now() + 60_000,
      }),
    );
    await broker.store.real.commit({ writes: rows.map((put) => ({ table: 'leases', put })) });
    const largest = { writes: 0, reads: 0 };
    broker.store.beforeCommit = ({ writes = [] }) => {
      largest.writes = Math.max(largest.writes, writes.length);
    };
    const { ended } = await quarantine();
    expect(ended).toMatchObject({ sessions: 1, revoked: 3_000 });
    expect(largest.writes).toBeLessThanOrEqual(256);
    expect(await counts()).toMatchObject({ leases: 0 });
  });

  it('ends at its time: the workload logs in again, and the log has an entry', async () => {
    await quarantine(WORKLOAD, 60);
    expect(await codeOf(broker.logIn())).toBe('ERR_DENIED');
    broker.clock.advance(60_000);
    live = await broker.logIn();
    await read();
    const entries = await broker.entriesOf(round);
    expect(entries).toMatchObject([
      { action: 'quarantine.lift', cause: 'expired', workload: WORKLOAD.subject },
    ]);
    expect(await counts()).toEqual({ sessions: 1, leases: 1, rows: 0 });
    expect(await listQuarantines(broker.parts, broker.call(), admin)).toEqual([]);
  });

  it('is completed by the broker after a crash (L23)', async () => {
    await read();
    broker.store.refuseOnce(records('session.end'));
    expect(await codeOf(quarantine())).toBe('ERR_AUDIT_UNAVAILABLE');
    expect(await counts()).toEqual({ sessions: 1, leases: 1, rows: 1 });
    expect(await codeOf(read())).toBe('ERR_UNAUTHENTICATED');
    await round();
    expect(await counts()).toMatchObject({ sessions: 1 });
    broker.clock.advance(30_000);
    await round();
    expect(await counts()).toEqual({ sessions: 0, leases: 0, rows: 1 });
  });

  it('is completed by the same call after a crash (L23)', async () => {
    await read();
    broker.store.refuseOnce(records('lease.revoke'));
    expect(await codeOf(quarantine())).toBe('ERR_AUDIT_UNAVAILABLE');
    expect(await counts()).toEqual({ sessions: 0, leases: 1, rows: 1 });
    expect((await quarantine()).ended).toMatchObject({ sessions: 0, revoked: 1 });
  });

  it('is active again after a restart, and an edited row stops the start (L25)', async () => {
    await quarantine(WORKLOAD, 60);
    const { store, rows, clock } = broker.parts;
    const restarted = new Quarantines(store, rows, clock);
    await restarted.load();
    expect(restarted.covering(live.identityFences)).toMatchObject({ reason: 'INC-7' });
    for (const change of [{ ends_at: 1 }, { reason: 'y' }, { created_by: 'z' }]) {
      const [row] = await listRows(store, 'quarantines', { limit: 1 });
      const key = { kind: 'workload', subject: WORKLOAD.subject };
      await broker.store.real.commit({ writes: [{ table: 'quarantines', key, change }] });
      const edited = new Quarantines(store, rows, clock);
      expect(await codeOf(edited.load())).toBe('ERR_CIPHERTEXT_INVALID');
      await broker.store.real.commit({ writes: [{ table: 'quarantines', put: row! }] });
    }
  });

  it('does not make plans of another scope stale', async () => {
    broker.store.once(records('secret.read'), () =>
      quarantine({ kind: 'workload', subject: 'k8s://c1/pay/other' }),
    );
    let attempts = 0;
    const { beforeCommit } = broker.store;
    broker.store.beforeCommit = async (plan) => {
      if (records('secret.read')(plan)) attempts += 1;
      broker.store.beforeCommit = beforeCommit;
      await beforeCommit(plan);
    };
    await read();
    expect(attempts).toBe(1);
  });

  it('is limited to a thousand in number', async () => {
    const puts = Array.from({ length: 1_000 }, (_, n) =>
      broker.parts.quarantines.rowOf({
        kind: 'workload',
        subject: `k8s://c1/pay/w${n}`,
        id: `qua_${n}`,
        reason: 'x',
        createdBy: 'root',
        createdAt: n,
        endsAt: undefined,
      }),
    );
    const { store, state } = broker.parts;
    const outcome = await broker.store.real.commit({
      writes: puts.map((put) => ({ table: 'quarantines', put })),
      invalidates: puts.map(({ subject }) => `quarantine:workload:${subject}`),
    });
    if (outcome.status === 'committed') await state.waitForChange(outcome.seq);
    expect(await codeOf(quarantine())).toBe('ERR_CONFLICT');
    expect(await countRows(store, 'quarantines', {})).toBe(1_000);
    const known = { kind: 'workload', subject: 'k8s://c1/pay/w1' } as const;
    expect((await quarantine(known)).quarantine.id).toBe('qua_1');
  });
});

describe('a quarantine of an operator', () => {
  const of = (subject: string): QuarantineScope => ({ kind: 'operator', subject });

  it("refuses the operator's changes in flight if it commits first", async () => {
    const responder = await broker.operator('r', [{ role: 'responder' }]);
    broker.store.once(records('session.end'), () => quarantine(of('r')));
    const selector = { workload: WORKLOAD.subject };
    const ended = endMatchingSessions(broker.parts, broker.call(), responder, { selector });
    expect(await codeOf(ended)).toBe('ERR_UNAUTHENTICATED');
    expect(await counts()).toMatchObject({ sessions: 1 });
  });

  it('leaves one of two admins that quarantine each other at the same moment', async () => {
    const second = await broker.operator('second', [{ role: 'admin' }]);
    broker.store.once(records('quarantine.create'), () => quarantine(of('root'), 60, second));
    expect(await codeOf(quarantine(of('second')))).toBe('ERR_UNAUTHENTICATED');
    expect(await counts()).toMatchObject({ rows: 1 });
  });

  it('leaves one admin when two responders quarantine the last two at the same moment (L24)', async () => {
    await broker.operator('second', [{ role: 'admin' }]);
    const first = await broker.operator('r1', [{ role: 'responder' }]);
    const other = await broker.operator('r2', [{ role: 'responder' }]);
    broker.store.once(records('quarantine.create'), () => quarantine(of('root'), 60, other));
    expect(await codeOf(quarantine(of('second'), 60, first))).toBe('ERR_CONFLICT');
  });
});
