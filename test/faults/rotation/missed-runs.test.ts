import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { until } from '../../kit/backends/until.ts';
import { PreparedBroker } from '../../kit/broker/prepared-broker.ts';
import { storedSecret } from '../../kit/rotation/stored-secret.ts';

const DAY_MS = 86_400_000;
const DAYS = 5;
const SPEED = 10;
const ROTATING = {
  'own/by-cron': { schedule: { cron: '0 3 * * *', timeZone: 'Europe/Berlin' } },
  'own/by-interval': { schedule: { every: '1d' } },
} as const;
const PATHS = Object.keys(ROTATING);

/** Noon in UTC, some days later: no tick of the cron comes during the check. */
function noonLater(): number {
  return Math.ceil(Date.now() / DAY_MS) * DAY_MS + DAYS * DAY_MS + DAY_MS / 2;
}

describe('a broker that was down when rotations were due', () => {
  let broker: PreparedBroker;
  const clock = { epoch: Date.now() - (noonLater() - Date.now()) / (SPEED - 1), speed: SPEED };
  const now = (): number => clock.epoch + (Date.now() - clock.epoch) * SPEED;

  beforeAll(async () => {
    broker = await PreparedBroker.start();
    for (const [path, rotation] of Object.entries(ROTATING)) {
      await broker.write(path, { password: 'first' });
      await broker.create(`/definitions/${path}`, { rotation });
    }
    await broker.installation.stop();
  });
  afterAll(() => broker.remove());

  async function version(path: string): Promise<string> {
    const session = await broker.logInEarly({ at: now() });
    return String((await broker.read(session, path)).json['version']);
  }

  it('runs missed rotations once, however often they were due, and not again at its next start (F10)', async () => {
    const config = broker.installation.file('config.yaml');
    for (let start = 0; start < 2; start += 1) {
      await broker.startWithFailpoints(clock);
      await until('all have rotated', async () => {
        return (await Promise.all(PATHS.map(version))).every((each) => each === '2');
      });
      await broker.installation.stop();
      for (const path of PATHS) {
        const { rotations, schedule, steps } = await storedSecret(config, path);
        expect(rotations.map(({ cause }) => cause)).toEqual(['schedule']);
        expect(steps.filter((said) => said === 'promote done')).toHaveLength(1);
        expect(schedule?.next_run_at).toBeGreaterThan(now());
        expect(schedule?.next_run_at).toBeLessThanOrEqual(now() + DAY_MS);
      }
    }
  });
});
