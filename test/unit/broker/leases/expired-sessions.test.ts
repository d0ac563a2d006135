import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { expiryWorker } from '../../../../src/broker/leases/expiry.ts';
import { readSecret } from '../../../../src/broker/secrets/read-secrets.ts';
import { PodEndings } from '../../../../src/broker/sessions/pod-endings.ts';
import type { LiveOperator } from '../../../../src/broker/state/operator-token-memory.ts';
import type { LiveSession } from '../../../../src/broker/state/session-memory.ts';
import type { Plan } from '../../../../src/ports/store.ts';
import { codeOf, TestBroker } from '../../../kit/broker/test-broker.ts';
import { until } from '../../../kit/backends/until.ts';
import { leaseRow } from '../../../kit/fakes/store-rows.ts';
import { countRows } from '../../../kit/store/table-rows.ts';

const HOUR_MS = 3_600_000;

let broker: TestBroker;
let admin: LiveOperator;
beforeEach(async () => {
  broker = await TestBroker.open();
  admin = await broker.seed();
});
afterEach(() => broker.close());

/** A session that ends in an hour, with leases that end later: a renewal made the session shorter. */
async function openSession(n: number, leases: number): Promise<LiveSession> {
  const live = await broker.logIn({ pod: { name: `p${n}`, uid: `p${n}` } });
  const ends_at = broker.clock.now() + 5 * HOUR_MS;
  const writes = Array.from({ length: leases }, (_, each) => ({
    table: 'leases' as const,
    put: leaseRow(`lea_${n}_${each}`, { session_id: live.session.id, ends_at }),
  }));
  await broker.store.real.commit({ writes });
  return live;
}

const left = async () => ({
  sessions: await countRows(broker.store.real, 'sessions', {}),
  leases: await countRows(broker.store.real, 'leases', { state: 'live' }),
});

/** The sessions and leases that each commit ended. */
function commitSizes(): readonly (readonly number[])[] {
  const sizes: number[][] = [];
  broker.store.beforeCommit = ({ writes = [] }) => {
    const of = (table: string): number => writes.filter((each) => each.table === table).length;
    if (of('sessions') + of('leases') > 0) sizes.push([of('sessions'), of('leases')]);
  };
  return sizes;
}

async function expire(): Promise<void> {
  const worker = expiryWorker(broker.parts);
  worker.start();
  await until('nothing is left', async () => (await left()).sessions === 0);
  await worker.stop();
}

const ended = (plan: Plan): boolean =>
  plan.entries?.some((entry) => entry.includes('"action":"lease.revoke"')) === true;

it('ends an expired session in commits of at most 256 leases, the last of which ends the session', async () => {
  await openSession(1, 600);
  broker.clock.advance(1_000);
  await openSession(2, 10);
  broker.clock.advance(HOUR_MS);
  const sizes = commitSizes();
  const entries = await broker.entriesOf(expire);
  expect(sizes).toEqual([
    [0, 256],
    [0, 256],
    [2, 98],
  ]);
  expect(await left()).toEqual({ sessions: 0, leases: 0 });
  const actions = Map.groupBy(entries, ({ action }) => action);
  expect(actions.get('session.end')).toHaveLength(2);
  expect(new Set(actions.get('lease.revoke')?.map(({ lease }) => lease)).size).toBe(610);
  expect(actions.get('lease.revoke')).toHaveLength(610);
});

it('ends expired sessions without leases in commits of at most 256', async () => {
  for (let n = 0; n < 300; n += 1) await openSession(n, 0);
  broker.clock.advance(HOUR_MS);
  const sizes = commitSizes();
  await expire();
  expect(sizes).toEqual([
    [256, 0],
    [44, 0],
  ]);
});

it('refuses the reads of an expired session while its leases still end', async () => {
  broker.backend.secrets.set('kv/db', { data: { v: '1' }, version: '1' });
  const live = await openSession(1, 300);
  const read = () => codeOf(readSecret(broker.parts, broker.call(), live, { path: 'kv/db' }));
  expect(await read()).toBe('no error');
  broker.clock.advance(HOUR_MS);
  const during: unknown[] = [];
  broker.store.beforeCommit = async (plan) => {
    if (ended(plan)) during.push([await left(), await read()]);
  };
  await expire();
  expect(during).toEqual([
    [{ sessions: 1, leases: 300 }, 'ERR_UNAUTHENTICATED'],
    [{ sessions: 1, leases: 44 }, 'ERR_UNAUTHENTICATED'],
  ]);
});

it('keeps a session, and its leases, that another broker renewed meanwhile', async () => {
  const { session } = await openSession(1, 10);
  broker.clock.advance(HOUR_MS);
  const change = { ends_at: session.endsAt + HOUR_MS };
  let isRenewed = false;
  broker.store.once(ended, async () => {
    await broker.store.real.commit({
      writes: [{ table: 'sessions', key: { id: session.id }, change }],
    });
    isRenewed = true;
  });
  const worker = expiryWorker(broker.parts);
  worker.start();
  await until('the renewal', () => Promise.resolve(isRenewed));
  await worker.stop();
  expect(await left()).toEqual({ sessions: 1, leases: 10 });
});

it('ends sessions in commits of the same size when the registration of their cluster is removed', async () => {
  await openSession(1, 300);
  const { uid } = broker.parts.catalog.find('cluster', 'c1')!;
  await broker.remove(admin, 'cluster', 'c1');
  const sizes = commitSizes();
  const endings = new PodEndings(broker.parts);
  endings.clusterGone('c1', uid);
  await until('nothing is left', async () => (await left()).sessions === 0);
  await endings.stop();
  expect(sizes).toEqual([
    [0, 256],
    [1, 44],
  ]);
  expect(await left()).toEqual({ sessions: 0, leases: 0 });
});
