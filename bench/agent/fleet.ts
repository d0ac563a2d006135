import { setTimeout as pause } from 'node:timers/promises';
import { PreparedBroker } from '../../test/kit/broker/prepared-broker.ts';
import { AgentFleet } from '../../test/kit/delivery/agent-fleet.ts';
import type { Figure, FleetName } from '../figures.ts';
import { BOTH_CORES, on } from '../machine.ts';
import { resultAlone, type Result } from '../result.ts';
import { SECRET } from '../sample.ts';
import type { Stage } from '../stage.ts';

export interface FleetSize {
  readonly agents: number;
  readonly launchSeconds: number;
  readonly outageSeconds: number;
}

/** Pods of one Deployment. */
const PODS_AN_ACCOUNT = 50;
const PATHS = ['own/fleet/db', 'own/fleet/mail', 'own/fleet/key'];
/**
 * Limits for the benchmark. All agents share one address, unlike in a cluster, so its limit is raised; limits per workload are
 * the defaults. Sessions expire within the outage, so that every agent must log in afterwards. Sessions of an hour would simply
 * continue.
 */
const LIMITS = { addressRate: { perSecond: 1_000_000, burst: 10_000_000 }, maxSessionSeconds: 240 };
const CONNECTIONS = 'QUAYMASTER__listener__maxConnectionsPerAddress';
const LONGEST_SECONDS = 600;
/** The answers that an overloaded broker may give. */
const ALLOWED = new Set(['429 retry', '503 retry']);

/** Starts as many agents as a large cluster has pods starting within a minute; later the broker is down for five minutes. */
export async function fleetResults(
  stage: Stage,
  figures: readonly Figure<FleetName>[],
  { agents, launchSeconds, outageSeconds }: FleetSize,
): Promise<readonly Result[]> {
  process.env[CONNECTIONS] = '20000';
  const broker = await PreparedBroker.start({ config: () => ({ limits: LIMITS }) });
  stage.onEnd(() => broker.remove());
  for (const path of PATHS) await broker.write(path, SECRET);
  return on(BOTH_CORES, async () => {
    const tokens = Array.from({ length: agents }, (_, index) =>
      broker.serviceAccountToken({
        pod: `pod-${index}`,
        serviceAccount: `app-${Math.floor(index / PODS_AN_ACCOUNT)}`,
      }),
    );
    const fleet = new AgentFleet({
      url: broker.installation.url,
      cluster: 'c1',
      paths: PATHS,
      tokens,
    });
    stage.onEnd(() => fleet.stop());
    fleet.launch(launchSeconds * 1_000);
    await until(() => fleet.started === agents, fleet);
    const cold = fleet.age;
    expectAllowed(fleet, ALLOWED);
    console.log(
      `${agents} agents served after ${cold.toFixed(1)} s; most logins in a second: ${fleet.peak('logins')}`,
    );
    const measures = {
      'fleet-cold': cold,
      'fleet-return': await outage(broker, fleet, { agents, outageSeconds }),
    };
    return figures.map((figure) =>
      resultAlone(figure, UNITS[figure.name], [measures[figure.name]]),
    );
  });
}

/** Kills the broker and starts it again later. @returns the most logins in one second from then on. */
async function outage(
  broker: PreparedBroker,
  fleet: AgentFleet,
  { agents, outageSeconds }: Pick<FleetSize, 'agents' | 'outageSeconds'>,
): Promise<number> {
  await until(() => fleet.well() === agents, fleet);
  await broker.installation.stop('SIGKILL');
  const end = fleet.age + outageSeconds;
  while (fleet.age < end) {
    await pause(1_000);
    if (fleet.served() !== agents)
      throw new Error(`${agents - fleet.served()} agents lost their secrets`);
  }
  const back = fleet.age;
  await broker.installation.start();
  await until(() => fleet.well() === agents, fleet);
  const logins = fleet.peak('logins', back);
  console.log(
    `all well ${(fleet.age - back).toFixed(1)} s after the broker came back; most in a second: ${logins} logins, ${fleet.peak('reads', back)} batches, ${fleet.peak('streams', back)} streams; failures: ${JSON.stringify(Object.fromEntries(fleet.failures))}`,
  );
  return logins;
}

async function until(holdsNow: () => boolean, fleet: AgentFleet): Promise<void> {
  const end = fleet.age + LONGEST_SECONDS;
  while (!holdsNow()) {
    if (fleet.age > end) {
      throw new Error(
        `${fleet.started} agents started, ${fleet.well()} well: ${JSON.stringify([...fleet.failures])}`,
      );
    }
    await pause(100);
  }
}

function expectAllowed({ failures }: AgentFleet, allowed: ReadonlySet<string>): void {
  const others = [...failures].filter(([kind]) => !allowed.has(kind));
  if (others.length > 0) throw new Error(`not only 429 and 503: ${JSON.stringify(others)}`);
}

const UNITS = { 'fleet-cold': 's', 'fleet-return': 'logins/s' };
