import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { endOwnSession } from '../../../../src/broker/leases/end-session.ts';
import { issueCredential } from '../../../../src/broker/credentials/issue-credential.ts';
import { releaseLease } from '../../../../src/broker/leases/leases.ts';
import { listRevocations, retryRevocation } from '../../../../src/broker/leases/revocations.ts';
import type { LiveOperator } from '../../../../src/broker/state/operator-token-memory.ts';
import type { LiveSession } from '../../../../src/broker/state/session-memory.ts';
import { expiryWorker } from '../../../../src/broker/leases/expiry.ts';
import { adoptAbandoned, revoker } from '../../../../src/broker/leases/revoker.ts';
import type { Worker } from '../../../../src/broker/kernel/worker.ts';
import { BrokerError } from '../../../../src/domain/errors.ts';
import { codeOf, mount, TestBroker } from '../../../kit/broker/test-broker.ts';
import { records } from '../../../kit/store/hooked-store.ts';
import { countRows, listRows } from '../../../kit/store/table-rows.ts';

let broker: TestBroker;
let admin: LiveOperator;
let live: LiveSession;

beforeEach(async () => {
  broker = await TestBroker.open();
  admin = await broker.seed();
  live = await broker.logIn();
});
afterEach(async () => broker.close());

const order = (key = 'k', more: { ttlSeconds?: number; path?: string } = {}, caller = live) =>
  issueCredential({
    parts: broker.parts,
    call: broker.call(),
    live: caller,
    order: { path: 'dyn/db', idempotencyKey: key, ...more },
  });
const row = async () => (await listRows(broker.parts.store, 'credentials', { limit: 10 }))[0]!;

/** Runs one round of a worker: stopped as soon as it started, it completes the round. */
async function round(worker: Worker): Promise<void> {
  worker.start();
  await worker.stop();
}

/** Runs complete rounds of the revoker until its queue is empty or a retry is due later. */
async function revokeAll(): Promise<void> {
  const { store, clock } = broker.parts;
  const worker = revoker(broker.parts, () => 0.5);
  worker.start();
  for (;;) {
    await new Promise((resolve) => setImmediate(resolve));
    const due = await Promise.all(
      (['revoking', 'irrevocable'] as const).map((state) =>
        listRows(store, 'credentials', {
          equals: { state },
          upTo: { next_attempt_at: clock.now() },
          orderBy: ['next_attempt_at'],
          limit: 1,
        }),
      ),
    );
    if (due.every((rows) => rows.length === 0)) break;
    broker.clock.advance(500);
  }
  await worker.stop();
}

describe('issuing a credential', () => {
  it('writes an intent row before it calls the backend, and records one entry', async () => {
    const states: string[] = [];
    broker.backend.during = async () => void states.push((await row()).state);
    const entries = await broker.entriesOf(() => order());
    expect(states).toEqual(['intended', 'prepared']);
    expect(entries).toMatchObject([{ action: 'credential.issue', outcome: 'ok' }]);
    expect(await row()).toMatchObject({ state: 'issued' });
  });

  it('returns the same credential for the same idempotency key, and another for another key', async () => {
    const first = await order('a');
    expect((await order('a')).lease.id).toBe(first.lease.id);
    expect((await order('b')).lease.id).not.toBe(first.lease.id);
    expect(await codeOf(order('a', { ttlSeconds: 5 }))).toBe('ERR_IDEMPOTENCY_MISMATCH');
    expect(broker.backend.credentials.size).toBe(2);
  });

  it('leaves the first request alone when a second uses its key while it is in flight', async () => {
    let second = '';
    broker.backend.during = async (step) => {
      if (step === 'issue') second = await codeOf(order());
    };
    const first = await order();
    expect(second).toBe('ERR_CONFLICT');
    expect(await row()).toMatchObject({ state: 'issued', lease_id: first.lease.id });
  });

  it('does not undo the faster of two requests that start at once under one key', async () => {
    const results = await Promise.allSettled([order(), order()]);
    expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    expect(await row()).toMatchObject({ state: 'issued' });
    await revokeAll();
    expect(broker.backend.credentials.size).toBe(1);
  });

  it.each(['prepare', 'issue'])('revokes what a failure at %s left', async (at) => {
    broker.backend.during = (step) => {
      if (step === at) throw new BrokerError('ERR_PROVIDER_FAILED');
    };
    const entries = await broker.entriesOf(async () => {
      expect(await codeOf(order())).toBe('ERR_PROVIDER_FAILED');
    });
    expect(entries).toMatchObject([
      { action: 'credential.issue', outcome: 'error', locator: expect.stringMatching(/^vault:/) },
    ]);
    expect(await row()).toMatchObject({ state: 'revoking', sealed: null });
    await revokeAll();
    expect(await row()).toMatchObject({ state: 'revoked' });
    expect(await codeOf(order())).toBe('ERR_CONFLICT');
  });

  it('releases nothing and leaves nothing at the backend when its record fails', async () => {
    broker.store.refuseOnce(records('credential.issue'));
    expect(await codeOf(order())).toBe('ERR_AUDIT_UNAVAILABLE');
    await revokeAll();
    expect(broker.backend.credentials.size).toBe(0);
    expect(await countRows(broker.parts.store, 'leases', {})).toBe(0);
  });

  it.each([
    ['its policy goes', 'ERR_DENIED', () => broker.remove(admin, 'policy', 'all')],
    [
      'its session closes',
      'ERR_UNAUTHENTICATED',
      () => endOwnSession(broker.parts, broker.call(), live),
    ],
    [
      'its pod starts to terminate',
      'ERR_DENIED',
      async () => {
        broker.watches.get('c1')!.pods.set('pod-1', { state: 'terminating', labels: new Map() });
        await broker.store.real.commit({ invalidates: ['pod:c1/pod-1'] });
      },
    ],
  ])('revokes the credential without releasing it when %s in flight', async (_, code, narrow) => {
    broker.backend.during = async (step) => {
      if (step === 'issue') await narrow();
    };
    const entries = await broker.entriesOf(async () => expect(await codeOf(order())).toBe(code));
    expect(entries.filter(({ action }) => action === 'credential.issue')).toMatchObject([
      { outcome: 'deny', code },
    ]);
    await revokeAll();
    expect(broker.backend.credentials.size).toBe(0);
  });

  it('does nothing when its policy is removed before the intent commits', async () => {
    broker.store.once(
      ({ writes = [] }) => writes.some(({ table }) => table === 'credentials'),
      () => broker.remove(admin, 'policy', 'all'),
    );
    expect(await codeOf(order())).toBe('ERR_DENIED');
    expect(await countRows(broker.parts.store, 'credentials', {})).toBe(0);
    expect(broker.backend.calls).toEqual([]);
  });

  it('revokes a credential that the backend returns after the request was abandoned, by its final name', async () => {
    broker.backend.during = async (step) => {
      if (step !== 'issue') return;
      broker.backend.during = () => undefined;
      await adoptAbandoned(broker.parts, broker.clock.now());
      await revokeAll();
      expect(await row()).toMatchObject({ state: 'revoked' });
    };
    expect(await codeOf(order())).toBe('ERR_CONFLICT');
    expect(broker.backend.credentials.size).toBe(1);
    await revokeAll();
    expect(broker.backend.credentials.size).toBe(0);
    expect(await row()).toMatchObject({ state: 'revoked', handle: `${(await row()).id}.issued` });
  });

  it('reports what the settings of a path lack for a mount with dynamic credentials', async () => {
    await expect(order('k', { path: 'dyn/undefined' })).rejects.toMatchObject({
      code: 'ERR_CONFLICT',
      detail: expect.stringContaining('class: dynamic'),
    });
    await expect(order('k', { path: 'kv/db' })).rejects.toMatchObject({
      code: 'ERR_CONFLICT',
      detail: expect.stringContaining('GET /secrets/'),
    });
  });

  it('is refused for static secrets, without a pod, and for a pod that ends', async () => {
    expect(await codeOf(order('k', { path: 'kv/db' }))).toBe('ERR_CONFLICT');
    expect(await codeOf(order('k', { path: 'else/db' }))).toBe('ERR_DENIED');
    expect(await codeOf(order('k', { path: 'dyn/db' }, await broker.logIn({ pod: null })))).toBe(
      'ERR_DENIED',
    );
    broker.watches.get('c1')!.pods.set('pod-1', { state: 'terminating', labels: new Map() });
    expect(await codeOf(order())).toBe('ERR_DENIED');
  });

  it('counts against the quota of its workload', async () => {
    await broker.close();
    broker = await TestBroker.open({ leasesPerWorkload: 1 });
    admin = await broker.seed();
    live = await broker.logIn();
    await order('a');
    expect(await codeOf(order('b'))).toBe('ERR_LEASE_QUOTA');
  });

  it.each([
    [0, 'ERR_PROVIDER_MALFORMED'],
    [-1, 'ERR_PROVIDER_MALFORMED'],
    [Number.NaN, 'ERR_PROVIDER_MALFORMED'],
    [1e18, 'no error'],
    [Infinity, 'no error'],
    [1.5, 'no error'],
  ])('does not treat a grant of %s seconds as unlimited (B07)', async (ttlSeconds, code) => {
    broker.backend.ttlSeconds = ttlSeconds;
    expect(await codeOf(order())).toBe(code);
    const [lease] = await listRows(broker.parts.store, 'leases', { limit: 1 });
    if (code === 'no error') expect(lease!.ends_at).toBeLessThanOrEqual(live.session.endsAt);
    else {
      await revokeAll();
      expect(broker.backend.credentials.size).toBe(0);
    }
  });

  it('is not repeated after its lease expired, even if no process noticed', async () => {
    await order('k', { ttlSeconds: 60 });
    broker.clock.advance(61_000);
    expect(await codeOf(order('k', { ttlSeconds: 60 }))).toBe('ERR_CONFLICT');
  });

  it('is not repeated when its lease is revoked in the meantime', async () => {
    const { lease } = await order();
    broker.store.once(records('credential.issue'), () =>
      releaseLease(broker.parts, broker.call(), live, lease.id),
    );
    expect(await codeOf(order())).toBe('ERR_CONFLICT');
  });
});

describe('the mount of a credential', () => {
  it('cannot be deleted or pointed elsewhere while the credential lives', async () => {
    const { lease } = await order();
    expect(await codeOf(broker.remove(admin, 'mount', 'dyn'))).toBe('ERR_CONFLICT');
    const elsewhere = mount('dyn', { dynamic: true, root: 'other' });
    expect(await codeOf(broker.put(admin, 'mount', 'dyn', elsewhere))).toBe('ERR_CONFLICT');
    const longer = mount('dyn', { dynamic: true }, { leaseTtl: '2h' });
    expect(await codeOf(broker.put(admin, 'mount', 'dyn', longer))).toBe('no error');
    await releaseLease(broker.parts, broker.call(), live, lease.id);
    await revokeAll();
    expect(await codeOf(broker.put(admin, 'mount', 'dyn', elsewhere))).toBe('no error');
  });
});

describe('the revoke queue', () => {
  it('revokes expired credentials at once and records each once', async () => {
    await order('k', { ttlSeconds: 60 });
    broker.clock.advance(60_000);
    const entries = await broker.entriesOf(async () => {
      await round(expiryWorker(broker.parts));
      await revokeAll();
    });
    expect(entries.map(({ action }) => action)).toEqual(['lease.expire', 'credential.revoke']);
    expect(broker.backend.credentials.size).toBe(0);
  });

  it('retries with growing delays, lists failures, and continues to retry', async () => {
    const { lease } = await order();
    await releaseLease(broker.parts, broker.call(), live, lease.id);
    broker.backend.during = () => {
      throw new BrokerError('ERR_PROVIDER_UNAVAILABLE');
    };
    for (let tries = 1; tries <= 6; tries += 1) {
      await revokeAll();
      expect(await row()).toMatchObject({
        attempts: tries,
        last_error: 'ERR_PROVIDER_UNAVAILABLE',
      });
      broker.clock.advance(300_000);
    }
    expect(await row()).toMatchObject({ state: 'irrevocable' });
    const responder = await broker.operator('r', [{ role: 'responder' }]);
    const query = { state: 'irrevocable', page: { limit: 10 } } as const;
    const { items } = await listRevocations(broker.parts, broker.call(), responder, query);
    expect(items).toMatchObject([{ credential: lease.credentialId, attempts: 6 }]);
    broker.backend.during = () => undefined;
    await retryRevocation(broker.parts, broker.call(), responder, lease.credentialId!);
    await revokeAll();
    expect(await row()).toMatchObject({ state: 'revoked' });
    expect(
      await codeOf(retryRevocation(broker.parts, broker.call(), responder, lease.credentialId!)),
    ).toBe('ERR_CONFLICT');
  });

  it('is retried by responders only, and records every refusal', async () => {
    const auditor = await broker.operator('a', [{ role: 'auditor' }]);
    const entries = await broker.entriesOf(async () => {
      expect(await codeOf(retryRevocation(broker.parts, broker.call(), auditor, 'cred_x'))).toBe(
        'ERR_DENIED',
      );
      expect(await codeOf(retryRevocation(broker.parts, broker.call(), admin, 'cred_x'))).toBe(
        'ERR_NOT_FOUND',
      );
    });
    expect(entries).toMatchObject([
      { action: 'credential.revoke', outcome: 'deny', code: 'ERR_DENIED' },
      { action: 'credential.revoke', outcome: 'deny', code: 'ERR_NOT_FOUND' },
    ]);
  });

  it('treats a credential that was queued again with a new handle as a new one', async () => {
    const { lease } = await order();
    await releaseLease(broker.parts, broker.call(), live, lease.id);
    broker.backend.during = async () => {
      broker.backend.during = () => undefined;
      const change = { handle: 'more' };
      const key = { id: lease.credentialId! };
      await broker.store.real.commit({ writes: [{ table: 'credentials', key, change }] });
    };
    await revokeAll();
    expect(broker.backend.calls.filter((call) => call.startsWith('revoke'))).toHaveLength(2);
    expect(await row()).toMatchObject({ state: 'revoked', handle: 'more' });
  });

  it('adopts credentials that a crash left half issued, and none in flight (F18)', async () => {
    await order();
    const issued = await row();
    await broker.store.real.commit({
      writes: [
        {
          table: 'credentials',
          put: { ...issued, id: 'cred_a', idempotency_key: 'a', state: 'intended' },
        },
        {
          table: 'credentials',
          put: { ...issued, id: 'cred_b', idempotency_key: 'b', state: 'prepared' },
        },
      ],
    });
    broker.store.once(
      ({ expect: rows = [] }) => rows.some(({ key }) => 'id' in key && key.id === 'cred_b'),
      async () => {
        const key = { id: 'cred_b' };
        const change = { state: 'issued' as const };
        await broker.store.real.commit({ writes: [{ table: 'credentials', key, change }] });
      },
    );
    await adoptAbandoned(broker.parts, broker.clock.now());
    const state = async (id: string) =>
      (await broker.parts.store.get('credentials', { id }))?.state;
    expect(await state('cred_a')).toBe('revoking');
    expect(await state('cred_b')).toBe('issued');
  });

  it('reports the backend as unreachable when its mount is gone', async () => {
    const { lease } = await order();
    await releaseLease(broker.parts, broker.call(), live, lease.id);
    await broker.store.real.commit({
      writes: [{ table: 'documents', remove: { kind: 'mount', name: 'dyn' } }],
      invalidates: ['mounts:all', 'document:mount/dyn'],
    });
    await broker.parts.state.waitUntilCurrent();
    await revokeAll();
    expect(await row()).toMatchObject({ last_error: 'ERR_PROVIDER_UNAVAILABLE' });
  });
});

describe('issuing a credential when the store fails', () => {
  it('waits for recovery, which finds the intent', async () => {
    broker.backend.during = (step) => {
      if (step !== 'issue') return;
      broker.store.beforeCommit = ({ urgent }) => {
        if (urgent === true) throw new BrokerError('ERR_STORE_UNAVAILABLE');
      };
      throw new BrokerError('ERR_PROVIDER_FAILED');
    };
    expect(await codeOf(order())).toBe('ERR_PROVIDER_FAILED');
    expect(broker.logged).toHaveLength(1);
    expect(await row()).toMatchObject({ state: 'prepared' });
    broker.store.beforeCommit = () => undefined;
    await adoptAbandoned(broker.parts, broker.clock.now());
    await revokeAll();
    expect(await row()).toMatchObject({ state: 'revoked' });
  });

  it('keeps a commit that turned out to be durable', async () => {
    broker.store.once(records('credential.issue'), async (plan) => {
      await broker.store.real.commit(plan);
      throw new BrokerError('ERR_AUDIT_UNAVAILABLE');
    });
    expect(await codeOf(order())).toBe('ERR_AUDIT_UNAVAILABLE');
    expect(await row()).toMatchObject({ state: 'issued' });
    expect(await codeOf(order())).toBe('no error');
    expect(broker.backend.credentials.size).toBe(1);
  });

  it('is adopted by the worker after a while, and stops with it', async () => {
    await order();
    const issued = await row();
    const put = { ...issued, id: 'cred_old', idempotency_key: 'old', state: 'intended' as const };
    await broker.store.real.commit({ writes: [{ table: 'credentials', put }] });
    broker.clock.advance(121_000);
    broker.backend.during = async (_step, _what, signal) => {
      await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
    };
    const worker = revoker(broker.parts, () => 0);
    worker.start();
    while (!broker.backend.calls.some((call) => call.startsWith('revoke')))
      await new Promise((resolve) => setImmediate(resolve));
    await worker.stop();
    expect(await broker.parts.store.get('credentials', { id: 'cred_old' })).toMatchObject({
      state: 'revoking',
      attempts: 0,
    });
  });
});
