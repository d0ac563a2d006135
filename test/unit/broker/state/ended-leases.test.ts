import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { followEvents } from '../../../../src/broker/events/follow-events.ts';
import { findHolders } from '../../../../src/rotation/holders.ts';
import { selectLeases } from '../../../../src/broker/state/select-leases.ts';
import { SessionLeases } from '../../../../src/broker/state/session-leases.ts';
import type { LiveSession } from '../../../../src/broker/state/session-memory.ts';
import type { BrokerEvent } from '../../../../src/domain/secrets/broker-event.ts';
import type { Store } from '../../../../src/ports/store.ts';
import { leaseRow } from '../../../kit/fakes/store-rows.ts';
import { TestBroker } from '../../../kit/broker/test-broker.ts';

const PATH = 'app/db';
const ENDED = 20_000;
const LIVE = 1_200;
const CHUNK = 5_000;

let broker: TestBroker;
let live: LiveSession;
/** Rows that each query of leases returned. */
let rowsRead: number[];
/** Turns of the event loop between the queries. */
let turns: number;

/** Many leases of one path, and expired ones of one session: a workload reads and revokes as often as it likes. */
async function fill(store: Store): Promise<void> {
  const put = (from: number, state: 'live' | 'ended', count: number): Promise<unknown> =>
    store.commit({
      writes: Array.from({ length: count }, (_, index) => ({
        table: 'leases' as const,
        put: leaseRow(`${state}-${from + index}`, {
          path: PATH,
          state,
          session_id: state === 'ended' ? live.session.id : `other-${from + index}`,
          pod_uid: `pod-${from + index}`,
          cause: state === 'ended' ? 'released' : null,
          ends_at: 9e15,
        }),
      })),
    });
  for (let from = 0; from < ENDED; from += CHUNK) await put(from, 'ended', CHUNK);
  await put(0, 'live', LIVE);
  const own = { path: PATH, session_id: live.session.id, pod_uid: 'own', ends_at: 9e15 };
  await store.commit({ writes: [{ table: 'leases', put: leaseRow('held', own) }] });
}

async function follow(since?: number): Promise<{ events: BrokerEvent[]; close: () => void }> {
  const events: BrokerEvent[] = [];
  const feed = await followEvents(broker.parts, broker.call(), live, since);
  const close = feed.start({
    send: (event) => events.push(event) > 0,
    beat: () => undefined,
    end: () => undefined,
  });
  await settle();
  return { events, close };
}

async function settle(): Promise<void> {
  for (let count = 0; count < 100; count += 1) {
    await new Promise((resolve) => setImmediate(resolve));
  }
}

describe(`a path with ${ENDED} expired leases`, () => {
  beforeAll(async () => {
    broker = await TestBroker.open();
    await broker.seed();
    live = await broker.logIn();
    await fill(broker.store.real);
    const tick = (): void => {
      turns += 1;
      if (broker.parts.state.applied() >= 0) setImmediate(tick).unref();
    };
    tick();
    const { list } = broker.store;
    broker.store.list = async (query, window) => {
      const rows = await list(query, window);
      if (query.spec.table === 'leases') rowsRead.push(rows.length);
      return rows;
    };
  });

  beforeEach(() => {
    rowsRead = [];
    turns = 0;
  });

  afterAll(async () => broker.close());

  const total = (): number => rowsRead.reduce((sum, rows) => sum + rows, 0);

  it('costs a write only the reads of its live leases, in pages between which other work runs (L11)', async () => {
    const { events, close } = await follow();
    rowsRead = [];
    turns = 0;
    await broker.store.commit({ invalidates: [`secret:${PATH}`] });
    await settle();
    expect(events.map(({ type }) => type)).toEqual(['ready', 'secret.changed']);
    expect(total()).toBe(LIVE + 1);
    expect(rowsRead.length).toBeGreaterThan(2);
    expect(turns).toBeGreaterThan(rowsRead.length);
    close();
  });

  it('costs twenty simultaneous writes no more than two reads (L11)', async () => {
    const { events, close } = await follow();
    rowsRead = [];
    const write = (): Promise<unknown> => broker.store.commit({ invalidates: [`secret:${PATH}`] });
    await write();
    await Promise.all(Array.from({ length: 19 }, write));
    await settle();
    const changed = events.filter(({ type }) => type === 'secret.changed');
    expect(changed.at(-1)?.id).toBe(broker.store.seq());
    expect(changed.length).toBeLessThanOrEqual(2);
    expect(total()).toBeLessThanOrEqual(2 * (LIVE + 1));
    close();
  });

  it('costs a reconnecting stream only the live leases of its session', async () => {
    const since = broker.store.seq();
    await broker.store.commit({ invalidates: [`secret:${PATH}`] });
    const { events, close } = await follow(since);
    expect(events.map(({ type }) => type)).toEqual(['secret.changed', 'ready']);
    expect(total()).toBeLessThanOrEqual(2);
    close();
  });

  it('costs a rotation of the path only its live leases', async () => {
    expect((await findHolders(broker.parts, PATH)).size).toBe(LIVE + 1);
    expect(total()).toBe(LIVE + 1);
  });

  it('costs the session that revoked them only its live leases (L11)', async () => {
    const leases = new SessionLeases(live.session.id, broker.store);
    await leases.load();
    expect(leases.find({ mountUid: 'mnt_1', path: PATH, version: '1', generation: '' })?.id).toBe(
      'held',
    );
    expect(total()).toBe(1);
  });

  it('is listed in pages that continue each other', async () => {
    const first = await selectLeases(broker.parts, { path: PATH }, { limit: 2 });
    expect(first.map(({ id }) => id)).toEqual(['ended-0', 'ended-1']);
    const last = { path: PATH, state: 'ended', id: `ended-${'9'.repeat(7)}` } as const;
    const next = await selectLeases(broker.parts, { path: PATH }, { limit: 2, after: last });
    expect(next.map(({ id }) => id)).toEqual(['held', 'live-0']);
  });
});
