import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { requestRotation } from '../../../src/broker/rotation/request-rotation.ts';
import { expiryWorker } from '../../../src/broker/workers/expiry.ts';
import { PATH, RotationBench } from '../../support/rotation-bench.ts';

const DAY = 24 * 3_600_000;

let bench: RotationBench;
beforeEach(async () => {
  bench = await RotationBench.open({});
});
afterEach(async () => bench.close());

async function kept(): Promise<{ readonly rotations: number; readonly steps: number }> {
  const { store } = bench.broker;
  return {
    rotations: await store.count('rotations', {}),
    steps: await store.count('rotation_steps', {}),
  };
}

describe('the history of rotations', () => {
  it('is kept for four hundred days, and goes whole', async () => {
    const { parts, clock } = bench.broker;
    const order = { path: PATH, kind: 'rotation', incident: true, comment: 'c' } as const;
    await requestRotation(parts, bench.broker.call(), bench.admin, order);
    bench.work();
    await bench.pass(60_000);
    const before = await kept();
    expect(before.rotations).toBe(1);
    expect(before.steps).toBeGreaterThan(5);
    const expiry = expiryWorker(parts);
    expiry.start();
    clock.advance(399 * DAY);
    await bench.pass(5_000);
    expect(await kept()).toEqual(before);
    clock.advance(2 * DAY);
    await bench.pass(5_000);
    expect(await kept()).toEqual({ rotations: 0, steps: 0 });
    await expiry.stop();
  });
});
