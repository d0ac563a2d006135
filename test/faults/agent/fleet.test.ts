import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { until } from '../../kit/backends/until.ts';
import { PreparedBroker } from '../../kit/broker/prepared-broker.ts';
import { AgentFleet } from '../../kit/delivery/agent-fleet.ts';

/** `npm run bench -- --only fleet` does the same with 10,000 agents and five minutes. */
const AGENTS = Number(process.env['AGENTS'] ?? 60);
const PATHS = ['own/fleet/db', 'own/fleet/mail'];
const LIMITS = { addressRate: { perSecond: 1_000_000, burst: 10_000_000 } };

const running: { broker?: PreparedBroker; fleet?: AgentFleet } = {};

beforeAll(async () => {
  const broker = await PreparedBroker.start({ config: () => ({ limits: LIMITS }) });
  running.broker = broker;
  for (const path of PATHS) await broker.write(path, { password: 'p' });
  running.fleet = new AgentFleet({
    url: broker.installation.url,
    cluster: 'c1',
    paths: PATHS,
    tokens: Array.from({ length: AGENTS }, (_, index) =>
      broker.serviceAccountToken({ pod: `pod-${index}` }),
    ),
  });
});

afterAll(async () => {
  await running.fleet?.stop();
  await running.broker?.remove();
});

describe('many agents of one broker', () => {
  it('are all served when they start together, refused at most for a while (F51)', async () => {
    const fleet = running.fleet!;
    fleet.launch(500);
    await until('all have started', () => Promise.resolve(fleet.started === AGENTS));
    expect(fleet.served()).toBe(AGENTS);
    expect(fleet.total('logins')).toBeGreaterThanOrEqual(AGENTS);
    const unexpected = [...fleet.failures.keys()].filter(
      (kind) => !/^(?:429|503) retry$/.test(kind),
    );
    expect(unexpected).toEqual([]);
  });

  it('serve from memory while it is unreachable, and come back spread over time (F52)', async () => {
    const fleet = running.fleet!;
    const { installation } = running.broker!;
    await until('all follow', () => Promise.resolve(fleet.well() === AGENTS));
    await installation.stop('SIGKILL');
    await until(
      'some have noticed',
      () => Promise.resolve(fleet.failures.size > 0 || fleet.well() < AGENTS),
      90_000,
    );
    expect(fleet.served()).toBe(AGENTS);
    const logins = fleet.total('logins');
    const back = fleet.age;
    await installation.start();
    await until('all follow again', () => Promise.resolve(fleet.well() === AGENTS));
    expect(fleet.served()).toBe(AGENTS);
    // Sessions are in the store: no agent has to log in again.
    expect(fleet.total('logins')).toBe(logins);
    expect(fleet.peak('streams', back)).toBeLessThan(AGENTS);
  });
});
