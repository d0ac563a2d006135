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

/** A response that its process left is taken over after a minute: six seconds at this speed. */
const SPEED = 10;

let broker: PreparedBroker;
const clock = { epoch: Date.now(), speed: SPEED };
/** The time of the broker. */
const now = (): number => clock.epoch + (Date.now() - clock.epoch) * SPEED;

beforeAll(async () => {
  broker = await PreparedBroker.start({
    secrets: { 'own/db': { password: 'first' } },
    failpoints: clock,
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
    .callUntilTaken('POST', '/api/v1/incidents', asked)
    .catch(() => undefined);
  return answer === undefined ? undefined : (answer.json as unknown as Shown);
}

async function get(path: string): Promise<Record<string, unknown>> {
  const asked = { token: broker.operator };
  return (await broker.installation.callUntilTaken('GET', path, asked)).json;
}

async function statusOfRead(session: string): Promise<number> {
  const asked = { token: session };
  return (await broker.installation.callUntilTaken('GET', '/api/v1/secrets/own/db', asked)).status;
}

describe('an incident whose process is killed', () => {
  it.each(POINTS)('is repeated and completes after a kill at %s (RS05)', async (point) => {
    const since = now();
    const session = await broker.logInEarly({ at: since });
    expect(await statusOfRead(session)).toBe(200);
    await broker.arm(point, 'kill');
    await open(since);
    await broker.installation.ended();
    await broker.startWithFailpoints(clock);

    const again = await open(since);
    const id = again?.alert.id ?? '';
    let shown = again;
    await until('the response is complete', async () => {
      shown = (await get(`/api/v1/incidents/${id}`)) as unknown as Shown;
      return shown.alert.state === 'done';
    });
    expect(shown?.secrets).toMatchObject([{ path: 'own/db', rotation: { id: expect.anything() } }]);
    expect(await statusOfRead(session)).toBe(401);
    const { items } = (await get('/api/v1/quarantines')) as { items: { id: string }[] };
    expect(items).toHaveLength(1);

    // The next one begins without it.
    await until('the rotation is over', async () => {
      const { active } = await get('/api/v1/rotations/own/db');
      return active === undefined;
    });
    const lifted = `/api/v1/quarantines/${items[0]?.id}?reason=over`;
    await broker.installation.callUntilTaken('DELETE', lifted, { token: broker.operator });
  });
});
