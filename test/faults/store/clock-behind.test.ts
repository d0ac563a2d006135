import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { systemClock } from '../../../src/process/clock.ts';
import { AttackedInstallation } from '../../kit/log/attacked-installation.ts';

const DAY = 86_400_000;

let installation: AttackedInstallation;
let tokenEndsAt: number;

beforeEach(async () => {
  installation = await AttackedInstallation.make();
  await installation.init();
  tokenEndsAt = systemClock.now() + 3_600_000;
  await timeAtStart();
  installation.clock = { ...systemClock, now: () => systemClock.now() - DAY };
});
afterEach(() => installation.remove());

async function timeAtStart(): Promise<number> {
  const broker = await installation.open();
  const now = broker.parts.clock.now();
  // The log gets a checkpoint of this start.
  await broker.trail.integrator.integrate();
  await broker.close('stopped');
  return now;
}

describe('a broker that starts with the system clock set back by a day', () => {
  it('continues from the newest entry of its log, and reports that the clock is behind (ED11)', async () => {
    const now = await timeAtStart();
    expect(now).toBeGreaterThan(tokenEndsAt - DAY / 2);
    expect(now).toBeLessThan(tokenEndsAt);
    const logged = JSON.stringify(installation.logged);
    expect(logged).toContain('the system clock is behind the newest entry of the log');
    expect(logged).toContain('--trust-clock');
  });

  it('trusts the clock when an operator says so, from then on too', async () => {
    installation.trustClock = true;
    expect(await timeAtStart()).toBeLessThan(tokenEndsAt - DAY / 2);
    installation.trustClock = false;
    expect(await timeAtStart()).toBeLessThan(tokenEndsAt - DAY / 2);
  });
});
