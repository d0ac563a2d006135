import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { issueCredential } from '../../../../src/broker/credentials/issue-credential.ts';
import { releaseLease } from '../../../../src/broker/leases/leases.ts';
import { createOperatorToken } from '../../../../src/broker/sessions/operator-tokens.ts';
import { readSecret } from '../../../../src/broker/secrets/read-secrets.ts';
import { deleteSecret, writeSecret } from '../../../../src/broker/secrets/write-secret.ts';
import type { LiveOperator } from '../../../../src/broker/state/operator-token-memory.ts';
import type { LiveSession } from '../../../../src/broker/state/session-memory.ts';
import { expiryWorker } from '../../../../src/broker/leases/expiry.ts';
import { endMatchingSessions } from '../../../../src/broker/sessions/sessions.ts';
import { PodEndings } from '../../../../src/broker/sessions/pod-endings.ts';
import { Worker } from '../../../../src/broker/kernel/worker.ts';
import { Keyring } from '../../../../src/crypto/keys/keyring.ts';
import { generateRootKey } from '../../../../src/crypto/keys/root-keys.ts';
import type { PodEnd } from '../../../../src/ports/pod-watch.ts';
import { codeOf, TestBroker } from '../../../kit/broker/test-broker.ts';
import { until } from '../../../kit/backends/until.ts';
import { leaseRow } from '../../../kit/fakes/store-rows.ts';
import { records } from '../../../kit/store/hooked-store.ts';
import { countRows, listRows } from '../../../kit/store/table-rows.ts';

let broker: TestBroker;
let admin: LiveOperator;
let live: LiveSession;

beforeEach(async () => {
  broker = await TestBroker.open();
  admin = await broker.seed();
  live = await broker.logIn();
  broker.backend.secrets.set('kv/db', { data: { v: '1' }, version: '1' });
  await readSecret(broker.parts, broker.call(), live, { path: 'kv/db' });
});
afterEach(async () => broker.close());

const END: PodEnd = {
  cluster: 'c1',
  uid: 'pod-1',
  namespace: 'pay',
  name: 'api-1',
  reason: 'deleted',
};
const counts = async () => ({
  sessions: await countRows(broker.parts.store, 'sessions', {}),
  leases: await countRows(broker.parts.store, 'leases', { state: 'live' }),
});
const read = (caller: LiveSession) =>
  readSecret(broker.parts, broker.call(), caller, { path: 'kv/db' });

/** One round: a worker that is stopped completes its round. */
async function expire(): Promise<void> {
  const worker = expiryWorker(broker.parts);
  worker.start();
  await settled();
  await worker.stop();
}

/** Waits until nothing is in flight: commits take one turn of the loop each. */
async function settled(): Promise<void> {
  for (let turns = 0; turns < 50; turns += 1) await new Promise((resolve) => setImmediate(resolve));
}

it('ends many expired leases in commits of a bounded size', async () => {
  const { store, parts } = broker;
  const rows = Array.from({ length: 600 }, (_, n) =>
    leaseRow(`lea_${n}`, { path: 'kv/many', ends_at: broker.clock.now() }),
  );
  await store.real.commit({ writes: rows.map((put) => ({ table: 'leases', put })) });
  const sizes: number[] = [];
  store.beforeCommit = ({ writes = [] }) => {
    sizes.push(writes.filter(({ table }) => table === 'leases').length);
  };
  const worker = expiryWorker(parts);
  worker.start();
  const left = { path: 'kv/many', state: 'live' } as const;
  await until('no lease is left', async () => (await countRows(store.real, 'leases', left)) === 0);
  await worker.stop();
  expect(sizes.filter((size) => size > 0)).toEqual([256, 256, 88]);
});

async function ended(work: (endings: PodEndings) => unknown): Promise<readonly string[]> {
  const entries = await broker.entriesOf(async () => {
    const endings = new PodEndings(broker.parts);
    await work(endings);
    await settled();
    await endings.stop();
  });
  return entries.map(({ action, cause }) => `${action} ${String(cause)}`);
}

describe('a deleted secret', () => {
  it('is destroyed at the end of its window, with one entry', async () => {
    const { parts } = broker;
    const write = { path: 'app/s', data: { v: '1' } };
    await writeSecret(parts, broker.call(), admin, write);
    await deleteSecret(parts, broker.call(), admin, { path: 'app/s' });
    expect(await broker.entriesOf(expire)).toEqual([]);
    broker.clock.advance(7 * 86_400_000);
    const entries = (await broker.entriesOf(expire)).filter(({ path }) => path === 'app/s');
    expect(entries).toMatchObject([
      { action: 'secret.destroy', outcome: 'ok', cause: 'expired', count: 1 },
    ]);
    const [row] = await listRows(parts.store, 'secret_versions', { limit: 1 });
    expect(row).toMatchObject({ wrapped_dek: null, ciphertext: null });
    expect(await broker.entriesOf(expire)).toEqual([]);
  });
});

describe('the end of a pod', () => {
  it('revokes its sessions and leases, and records it once', async () => {
    const first = await ended((endings) => endings.ended(END));
    expect(first).toEqual(['pod.end deleted', 'session.end pod_ended', 'lease.revoke pod_ended']);
    expect(await counts()).toEqual({ sessions: 0, leases: 0 });
    expect(await codeOf(read(live))).toBe('ERR_UNAUTHENTICATED');
    expect(await ended((endings) => endings.ended(END))).toEqual([]);
  });

  it('is recorded once if two watches report it at once', async () => {
    const words = await ended((endings) => {
      endings.ended(END);
      endings.ended(END);
    });
    expect(words).toHaveLength(3);
  });

  it('catches a login that committed after its first query', async () => {
    broker.store.once(records('pod.end'), () => broker.logIn());
    await ended((endings) => endings.ended(END));
    expect(await counts()).toEqual({ sessions: 0, leases: 0 });
  });

  it('is retried while the store fails', async () => {
    broker.store.refuseOnce(records('pod.end'));
    await ended(async (endings) => {
      endings.ended(END);
      await settled();
      broker.clock.advance(1_000);
    });
    expect(await counts()).toEqual({ sessions: 0, leases: 0 });
    expect(broker.logged).toHaveLength(1);
  });

  it('only suspends the sessions if many pods end at once', async () => {
    const words = await ended((endings) => endings.lost([END]));
    expect(words).toEqual(['pod.end suspended', 'session.end suspended']);
    expect(await counts()).toEqual({ sessions: 0, leases: 1 });
    expect(await ended((endings) => endings.lost([END]))).toEqual([]);
  });

  it('is recorded once by two watches if many pods end', async () => {
    const words = await ended((endings) => {
      endings.lost([END]);
      endings.lost([END]);
    });
    expect(words).toHaveLength(2);
  });
});

describe('a pod watch that recovers', () => {
  const reconcile = () => ended((endings) => endings.reconcile('c1', broker.watches.get('c1')!));

  it('leaves pods that it sees, or that a direct lookup finds', async () => {
    expect(await reconcile()).toEqual([]);
    expect(broker.watches.get('c1')!.confirmed).toBeGreaterThan(0);
    broker.watches.get('c1')!.pods.set('pod-1', { state: 'running', labels: new Map() });
    expect(await reconcile()).toEqual([]);
    expect((await counts()).sessions).toBe(1);
  });

  it('ends pods that are gone, and suspends those without an answer', async () => {
    broker.watches.get('c1')!.fresh = 'ended';
    await broker.logIn({ pod: null });
    expect(await reconcile()).toContain('lease.revoke pod_ended');
    const again = await (async () => {
      broker.watches.get('c1')!.fresh = 'running';
      await broker.logIn();
      broker.watches.get('c1')!.fresh = undefined;
      return reconcile();
    })();
    expect(again).toEqual(['pod.end suspended', 'session.end suspended']);
  });

  it('suspends the missing pods if a fifth is missing, however many sessions the others have', async () => {
    const watch = broker.watches.get('c1')!;
    watch.pods.set('pod-1', { state: 'running', labels: new Map() });
    for (let n = 0; n < 60; n += 1) await broker.logIn();
    for (let n = 0; n < 11; n += 1) await broker.logIn({ pod: { name: `x${n}`, uid: `x${n}` } });
    const words = await reconcile();
    expect(words.filter((word) => word === 'pod.end suspended')).toHaveLength(11);
    expect(words.filter((word) => word.startsWith('lease'))).toEqual([]);
  });
});

describe('the end of a cluster', () => {
  it('closes all sessions of that registration and none of the next', async () => {
    const { uid } = broker.parts.catalog.find('cluster', 'c1')!;
    await broker.remove(admin, 'cluster', 'c1');
    const words = await ended((endings) => {
      endings.clusterGone('c1', uid);
      endings.clusterGone('c1', uid);
    });
    expect(words).toEqual(['session.end cluster_gone', 'lease.revoke cluster_gone']);
    await broker.put(admin, 'cluster', 'c1', {
      connection: 'k',
      issuer: 'https://issuer.test',
      audiences: ['quaymaster'],
    });
    await broker.logIn();
    expect(await ended((endings) => endings.clusterGone('c1', uid))).toEqual([]);
  });

  it('is found at the next start if no process noticed it', async () => {
    await broker.remove(admin, 'cluster', 'c1');
    expect(await ended((endings) => endings.endOrphaned())).toHaveLength(2);
    expect(await counts()).toEqual({ sessions: 0, leases: 0 });
  });
});

describe('expiry', () => {
  it.each([
    ['source', { source: '10.0.0.0/8' }],
    ['id', undefined],
    ['workload', { workload: 'k8s://c1/pay/api' }],
    ['pod', { cluster: 'c1', pod: 'pod-1' }],
  ] as const)(
    'expires the leases of sessions that a process closed by %s before it died',
    async (_by, given) => {
      const selector = given ?? { id: live.session.id };
      broker.store.refuseOnce(records('lease.revoke'));
      const request = { selector };
      const end = endMatchingSessions(broker.parts, broker.call(), admin, request);
      expect(await codeOf(end)).toBe('ERR_AUDIT_UNAVAILABLE');
      expect(await counts()).toEqual({ sessions: 0, leases: 1 });
      await expire();
      expect(await counts()).toMatchObject({ leases: 1 });
      broker.clock.advance(30_000);
      const entries = await broker.entriesOf(expire);
      expect(entries).toMatchObject([{ action: 'lease.revoke', cause: 'session_ended' }]);
      expect(await counts()).toMatchObject({ leases: 0 });
    },
  );

  it('keeps the leases of suspended sessions', async () => {
    await ended((endings) => endings.lost([END]));
    broker.clock.advance(60_000);
    await expire();
    expect(await counts()).toEqual({ sessions: 0, leases: 1 });
  });

  it('finds the next expired session after it has checked the earlier ones', async () => {
    const other = await broker.logIn();
    await read(other);
    for (const { session } of [live, other]) {
      broker.store.refuseOnce(records('lease.revoke'));
      const selector = { id: session.id };
      await codeOf(endMatchingSessions(broker.parts, broker.call(), admin, { selector }));
      broker.clock.advance(30_000);
      await expire();
      expect((await counts()).leases).toBe(session === live.session ? 1 : 0);
    }
  });

  it('expires leases and sessions at their time, once', async () => {
    broker.clock.advance(3_600_000);
    const entries = await broker.entriesOf(async () => {
      await Promise.all([expire(), expire()]);
    });
    expect(entries.map(({ action }) => action)).toEqual(['lease.expire', 'session.end']);
    expect(await counts()).toEqual({ sessions: 0, leases: 0 });
  });

  it('ends a lease once when a revocation comes at the same moment', async () => {
    const short = await readLast();
    broker.clock.advance(3_599_000);
    broker.store.once(records('lease.revoke'), async () => {
      broker.clock.advance(1_000);
      await expire();
    });
    const entries = await broker.entriesOf(async () => {
      const release = releaseLease(broker.parts, broker.call(), live, short);
      expect(await codeOf(release)).toBe('ERR_UNAUTHENTICATED');
    });
    expect(entries.filter(({ outcome }) => outcome === 'ok')).toHaveLength(2);
  });

  it('deletes tombstones, revoked credentials and operator tokens after their retention', async () => {
    const body = { ttl: '1h' };
    await createOperatorToken(broker.parts, broker.call(), admin, { operator: 'root', body });
    const order = { path: 'dyn/db', idempotencyKey: 'k' };
    const { lease } = await issueCredential({
      parts: broker.parts,
      call: broker.call(),
      live,
      order,
    });
    await broker.store.real.commit({
      writes: [
        { table: 'credentials', key: { id: lease.credentialId! }, change: { state: 'revoked' } },
      ],
    });
    broker.clock.advance(3_600_000);
    const entries = await broker.entriesOf(expire);
    expect(entries.map(({ action }) => action)).toContain('operator-token.revoke');
    await broker.store.real.commit({
      writes: [
        { table: 'credentials', key: { id: lease.credentialId! }, change: { state: 'revoked' } },
      ],
    });
    broker.clock.advance(25 * 3_600_000);
    await expire();
    expect(await countRows(broker.parts.store, 'leases', {})).toBe(0);
    expect(await countRows(broker.parts.store, 'credentials', {})).toBe(0);
    expect(await countRows(broker.parts.store, 'operator_tokens', {})).toBe(1);
  });

  it('continues after a failed round', async () => {
    let rounds = 0;
    const worker = new Worker('test', 1_000, broker.parts, () => {
      rounds += 1;
      return rounds === 1 ? Promise.reject(new Error('once')) : Promise.resolve();
    });
    worker.start();
    await settled();
    broker.clock.advance(1_000);
    await settled();
    await worker.stop();
    expect(rounds).toBe(2);
    expect(broker.logged).toHaveLength(1);
  });
});

describe('a rotated root key', () => {
  it('keeps every session, operator and document of the earlier key valid', async () => {
    await broker.close();
    const keyring = new Keyring(generateRootKey());
    broker = await TestBroker.open({}, { keyring });
    admin = await broker.seed();
    const { token } = await broker.openSession();
    keyring.replace({ active: generateRootKey(), older: [keyring.active] });
    broker.backend.secrets.set('kv/db', { data: { v: '1' }, version: '1' });
    const own = (await broker.parts.sessions.find(token))!;
    expect((await read(own)).value.version).toBe('1');
    await broker.parts.catalog.load();
    await broker.put(admin, 'operator', 'ann', { grants: [] });
    const row = (await broker.parts.store.get('sessions', { id: own.session.id }))!;
    const forged = { ...row, ends_at: row.ends_at + 1 };
    expect(() => broker.parts.sessions.open(forged)).toThrow();
  });
});

async function readLast(): Promise<string> {
  const [row] = await listRows(broker.parts.store, 'leases', { limit: 1 });
  return row!.id;
}
