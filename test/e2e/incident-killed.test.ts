import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { until } from '../kit/backends/until.ts';
import { PreparedBroker } from '../kit/broker/prepared-broker.ts';

const WORKLOAD = 'k8s://c1/prod/api';
/** Failpoints after each commit of an incident, and before the first and the last. */
const POINTS = [
  'alert.responding.before_commit',
  'alert.responding.after_commit',
  'session.ended.after_commit',
  'alert.contained.after_commit',
  'rotation.started.after_commit',
  'alert.done.before_commit',
  'alert.done.after_commit',
] as const;

let broker: PreparedBroker;

beforeAll(async () => {
  broker = await PreparedBroker.start({
    secrets: { 'own/db': { password: 'first' } },
    failpoints: true,
  });
  await broker.create('/definitions/own/db', {
    rotation: { strategy: 'generated', options: { keys: { password: {} } } },
  });
});
afterAll(() => broker.remove());

interface Shown {
  readonly alert: { readonly id: string; readonly state: string };
  readonly secrets: readonly {
    readonly path: string;
    readonly rotation?: { readonly id: string };
  }[];
}

/** Undefined if the broker died before it answered. */
async function open(since: number): Promise<Shown | undefined> {
  const body = {
    kind: 'workload',
    workload: WORKLOAD,
    reason: 'INC-9',
    since: new Date(since).toISOString(),
  };
  const asked = { token: broker.operator, body };
  const answer = await broker.installation
    .call('POST', '/api/v1/incidents', asked)
    .catch(() => undefined);
  return answer === undefined ? undefined : (answer.json as unknown as Shown);
}

async function get(path: string): Promise<Record<string, unknown>> {
  const { json } = await broker.installation.call('GET', path, { token: broker.operator });
  return json;
}

describe('an incident whose process is killed', () => {
  it.each(POINTS)('is repeated and completes after a kill at %s (RS05)', async (point) => {
    const since = Date.now();
    const session = await broker.logInEarly();
    expect((await broker.read(session, 'own/db')).status).toBe(200);
    await broker.arm(point, 'kill');
    await open(since);
    await broker.installation.ended();
    await broker.startWithFailpoints();

    const again = await open(since);
    const id = again?.alert.id ?? '';
    let shown = again;
    await until('the response is complete', async () => {
      shown = (await get(`/api/v1/incidents/${id}`)) as unknown as Shown;
      return shown.alert.state === 'done';
    });
    expect(shown?.secrets).toMatchObject([{ path: 'own/db', rotation: { id: expect.anything() } }]);
    expect((await broker.read(session, 'own/db')).status).toBe(401);
    const { items } = (await get('/api/v1/quarantines')) as { items: { id: string }[] };
    expect(items).toHaveLength(1);

    // The next one begins without it.
    await until('the rotation is over', async () => {
      const { active } = await get('/api/v1/rotations/own/db');
      return active === undefined;
    });
    await broker.installation.call('DELETE', `/api/v1/quarantines/${items[0]?.id}?reason=over`, {
      token: broker.operator,
    });
  });
});
