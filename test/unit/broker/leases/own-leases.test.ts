import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { listOwnCredentials, releaseLeases } from '../../../../src/broker/leases/leases.ts';
import { ENDED_AT_ONCE } from '../../../../src/broker/state/end-leases.ts';
import type { LiveSession } from '../../../../src/broker/state/session-memory.ts';
import { TestBroker } from '../../../kit/broker/test-broker.ts';
import { leaseRow } from '../../../kit/fakes/store-rows.ts';
import { listRows } from '../../../kit/store/table-rows.ts';

const COUNT = ENDED_AT_ONCE + 44;

let broker: TestBroker;
let live: LiveSession;

beforeEach(async () => {
  broker = await TestBroker.open();
  await broker.seed();
  live = await broker.logIn();
  const put = (id: string, fields: object) => ({
    table: 'leases' as const,
    put: leaseRow(id, { path: 'dyn/db', kind: 'dynamic', ends_at: 9e15, ...fields }),
  });
  const own = { session_id: live.session.id };
  await broker.store.real.commit({
    writes: [
      ...Array.from({ length: COUNT }, (_, at) => put(`own-${at}`, own)),
      put('static', { ...own, kind: 'static' }),
      put('over', { ...own, ends_at: 1 }),
      put('other', { session_id: 'other' }),
    ],
  });
});
afterEach(async () => broker.close());

const liveIds = async (): Promise<readonly string[]> =>
  (await listRows(broker.parts.store, 'leases', { limit: 1_000 }))
    .filter(({ state }) => state === 'live')
    .map(({ id }) => id)
    .sort();

it('lists the live dynamic leases of the session, as one entry', async () => {
  let held: readonly { readonly sessionId: string }[] = [];
  const entries = await broker.entriesOf(async () => {
    held = await listOwnCredentials(broker.parts, broker.call(), live);
  });
  expect(held).toHaveLength(COUNT);
  expect(held.every(({ sessionId }) => sessionId === live.session.id)).toBe(true);
  expect(entries).toMatchObject([{ action: 'lease.list', outcome: 'ok' }]);
});

it('ends the own leases that are meant, in commits of bounded size (L06, N02)', async () => {
  const entries = await broker.entriesOf(() =>
    releaseLeases(broker.parts, broker.call(), live, ({ id }) => id !== 'own-7'),
  );
  expect(await liveIds()).toEqual(['other', 'over', 'own-7', 'static']);
  const summaries = entries.filter(({ count }) => count !== undefined);
  expect(summaries.map(({ count }) => count)).toEqual([ENDED_AT_ONCE, COUNT - 1 - ENDED_AT_ONCE]);
  expect(entries).toHaveLength(COUNT - 1 + summaries.length);
  const none = await broker.entriesOf(() =>
    releaseLeases(broker.parts, broker.call(), live, () => false),
  );
  expect(none).toMatchObject([{ action: 'lease.revoke', outcome: 'ok', count: 0 }]);
});
