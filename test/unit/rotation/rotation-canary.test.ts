import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { acknowledgeVersions } from '../../../src/rotation/acknowledge.ts';
import { endOwnSession } from '../../../src/broker/leases/end-session.ts';
import { readSecret } from '../../../src/broker/secrets/read-secrets.ts';
import { requestRotation } from '../../../src/rotation/request-rotation.ts';
import { listRotations } from '../../../src/rotation/rotation-status.ts';
import type { LiveSession } from '../../../src/broker/state/session-memory.ts';
import { openCanaryStage } from '../../../src/domain/rotation/canary-stage.ts';
import { PATH, RotationBench } from '../../kit/rotation/rotation-bench.ts';

const MINUTE = 60_000;

let bench: RotationBench;
let pods: LiveSession[];
beforeEach(async () => {
  bench = await RotationBench.open({
    canary: { share: 50, soak: '1m' },
    retire: 'manual',
    grace: '10m',
    schedule: { every: '30d' },
  });
  pods = [];
  bench.work();
});
afterEach(async () => bench.close());

async function hold(count: number): Promise<void> {
  const { broker } = bench;
  for (let index = 0; index < count; index += 1) {
    const live = await broker.logIn({ pod: { name: `p${index}`, uid: `uid-${index}` } });
    pods.push(live);
    await read(live);
  }
}

async function read(live: LiveSession): Promise<string> {
  const { parts } = bench.broker;
  return (await readSecret(parts, bench.broker.call(), live, { path: PATH })).value.version;
}

async function say(live: LiveSession, outcome: 'ok' | 'failed'): Promise<void> {
  const { parts } = bench.broker;
  const version = await read(live);
  await acknowledgeVersions(parts, bench.broker.call(), live, [{ path: PATH, version, outcome }]);
  await bench.pass(2_000);
}

async function run(): Promise<void> {
  const order = { path: PATH, kind: 'rotation', incident: false } as const;
  await requestRotation(bench.broker.parts, bench.broker.call(), bench.admin, order);
  await bench.pass(2_000);
}

/** The stage, and the sessions in its pods. */
async function stage(): Promise<{ readonly stage?: string; readonly chosen: LiveSession[] }> {
  const { canary } = await bench.latest();
  const at = openCanaryStage(canary);
  if (at === undefined) return { chosen: [] };
  const isIn = ({ session }: LiveSession): boolean =>
    at.pods.includes(`${session.workload.cluster}/${session.workload.pod?.uid}`);
  return { stage: at.stage, chosen: pods.filter(isIn) };
}

async function end(live: LiveSession): Promise<void> {
  await endOwnSession(bench.broker.parts, bench.broker.call(), live);
  pods = pods.filter((each) => each !== live);
}

describe('a canary', () => {
  it('is skipped if no pod holds the secret', async () => {
    await run();
    expect(await bench.latest()).toMatchObject({ step: 'settle', canary: null });
  });

  it('stops for good when one holder reports a failure, and logs it', async () => {
    await hold(4);
    await run();
    const { chosen } = await stage();
    expect(chosen).toHaveLength(1);
    await say(chosen[0]!, 'failed');
    await bench.pass(30 * MINUTE);
    expect(await stage()).toMatchObject({ stage: 'pod', chosen });
    expect(await bench.latest()).toMatchObject({ state: 'running', step: 'canary' });
    expect(bench.broker.logged).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ fields: expect.objectContaining({ path: PATH, complaints: 1 }) }),
      ]),
    );
  });

  it('is rolled back when two holders report failures', async () => {
    await hold(4);
    await run();
    await say((await stage()).chosen[0]!, 'ok');
    await bench.pass(2 * MINUTE);
    const { stage: at, chosen } = await stage();
    expect([at, chosen.length]).toEqual(['share', 2]);
    for (const live of chosen) await say(live, 'failed');
    await bench.pass(MINUTE);
    expect((await bench.latest()).state).toBe('aborted');
    expect(await bench.current()).toMatchObject({ password: 'p0' });
    for (const live of pods) expect(await read(live)).toBe('1');
  });

  it('restarts with another pod when the first is gone, and still includes a share of the pods', async () => {
    await hold(4);
    await run();
    const first = (await stage()).chosen[0]!;
    await end(first);
    await bench.pass(3 * MINUTE);
    const second = await stage();
    expect([second.stage, second.chosen.length]).toEqual(['pod', 1]);
    expect(second.chosen[0]).not.toBe(first);
    await say(second.chosen[0]!, 'ok');
    await bench.pass(2 * MINUTE);
    const third = await stage();
    expect([third.stage, third.chosen.length]).toEqual(['share', 2]);
    expect((await bench.latest()).step).toBe('canary');
  });

  it('continues after the grace period without any report', async () => {
    await hold(2);
    await run();
    await bench.pass(5 * MINUTE);
    expect((await stage()).stage).toBe('pod');
    await bench.pass(30 * MINUTE);
    expect((await bench.latest()).step).toBe('settle');
  });
});

describe('a canary of a scheduled rotation', () => {
  const overdue = async (): Promise<number> => {
    const { parts } = bench.broker;
    const asked = { filter: { overdue: true }, page: { limit: 10, after: undefined } };
    return (await listRotations(parts, bench.broker.call(), bench.admin, asked)).items.length;
  };

  it('is overdue after a failure report, and not while it soaks', async () => {
    await bench.pass(30 * 86_400_000 - 20 * MINUTE);
    await hold(4);
    await bench.pass(20 * MINUTE);
    while ((await stage()).stage === undefined) await bench.pass(MINUTE);
    await bench.pass(10 * MINUTE);
    expect((await bench.latest()).step).toBe('canary');
    expect(await overdue()).toBe(0);
    await say((await stage()).chosen[0]!, 'failed');
    expect(await overdue()).toBe(1);
  });
});
