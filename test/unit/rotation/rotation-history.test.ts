import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { requestRotation } from '../../../src/rotation/request-rotation.ts';
import { rotationStatus } from '../../../src/rotation/rotation-status.ts';
import { expiryWorker } from '../../../src/broker/leases/expiry.ts';
import { PATH, RotationBench } from '../../kit/rotation/rotation-bench.ts';
import { countRows } from '../../kit/store/table-rows.ts';

const DAY = 24 * 3_600_000;

let bench: RotationBench;
beforeEach(async () => {
  bench = await RotationBench.open({});
});
afterEach(async () => bench.close());

async function kept(): Promise<{ readonly rotations: number; readonly steps: number }> {
  const { store } = bench.broker;
  return {
    rotations: await countRows(store, 'rotations', {}),
    steps: await countRows(store, 'rotation_steps', {}),
  };
}

describe('the history of rotations', () => {
  it('is kept for four hundred days, then deleted as a whole', async () => {
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

  it('shows the last steps of a rotation that waited long', async () => {
    const { parts } = bench.broker;
    const order = { path: PATH, kind: 'rotation', incident: false } as const;
    await requestRotation(parts, bench.broker.call(), bench.admin, order);
    const { id } = await bench.latest();
    const step = { rotation_id: id, step: 'create', outcome: 'waits', actor: 'rotation' } as const;
    const writes = Array.from({ length: 600 }, (_, index) => ({
      table: 'rotation_steps' as const,
      put: { ...step, seq: 10 + index, error: 'not_yet', at: index },
    }));
    await bench.broker.store.commit({ writes });
    const { active } = await rotationStatus(parts, bench.broker.call(), bench.admin, PATH);
    expect(active?.steps).toHaveLength(500);
    expect([active?.steps.at(0)?.at, active?.steps.at(-1)?.at]).toEqual([100, 599]);
  });
});
