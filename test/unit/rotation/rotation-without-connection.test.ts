import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  controlRotation,
  type ControlledRotation,
} from '../../../src/rotation/control-rotation.ts';
import { requestRotation } from '../../../src/rotation/request-rotation.ts';
import { rotationStatus } from '../../../src/rotation/rotation-status.ts';
import { RotationTargets } from '../../../src/broker/state/rotation-targets.ts';
import { BrokerError } from '../../../src/domain/errors.ts';
import { PATH, RotationBench } from '../../kit/rotation/rotation-bench.ts';

const MINUTE = 60_000;
let bench: RotationBench;
beforeEach(async () => {
  bench = await RotationBench.open();
});
afterEach(async () => bench.close());

async function request(): Promise<void> {
  const order = { path: PATH, kind: 'rotation', incident: false } as const;
  await requestRotation(bench.broker.parts, bench.broker.call(), bench.admin, order);
}

function abort(): Promise<ControlledRotation> {
  const order = { path: PATH, verb: 'abort' } as const;
  return controlRotation(bench.broker.parts, bench.broker.call(), bench.admin, order);
}

describe('a rotation', () => {
  it('is left to a process that has its connection', async () => {
    const { parts } = bench.broker;
    const { targets } = parts;
    await request();
    Object.assign(parts, { targets: new RotationTargets([]) });
    const without = bench.work();
    await bench.pass(5_000);
    expect(await bench.latest()).toMatchObject({ state: 'running', last_error: 'no_connection' });
    await without.stop();
    Object.assign(parts, { targets });
    bench.work();
    await bench.pass(MINUTE);
    expect(await bench.latest()).toMatchObject({ state: 'done' });
  });

  it('ends without its connection if it was parked before any step, and the next one runs', async () => {
    const { parts, target } = bench.broker;
    const { targets } = parts;
    await request();
    Object.assign(parts, { targets: new RotationTargets([]) });
    bench.work();
    await bench.pass(120 * MINUTE);
    expect(await bench.latest()).toMatchObject({ state: 'parked', last_error: 'no_connection' });
    const { row, probe } = await abort();
    expect([row.state, row.step, probe]).toEqual(['aborted', 'end', undefined]);
    expect(await bench.schedule()).toMatchObject({ active_id: null });
    expect(target.calls).toEqual([]);
    Object.assign(parts, { targets });
    await request();
    await bench.pass(MINUTE);
    expect(await bench.latest()).toMatchObject({ state: 'done' });
  });

  it('shows its status without its connection, and names the problem', async () => {
    const { parts } = bench.broker;
    await request();
    Object.assign(parts, { targets: new RotationTargets([]) });
    bench.work();
    await bench.pass(120 * MINUTE);
    const status = await rotationStatus(parts, bench.broker.call(), bench.admin, PATH);
    expect(status).toMatchObject({
      problem: 'no_connection',
      slots: undefined,
      active: { state: 'parked' },
      probe: { current: 'unknown', pending: 'unknown' },
    });
  });

  it('does not end without its connection if a step may have created something', async () => {
    const { parts } = bench.broker;
    bench.broker.target.after = () => {
      throw new BrokerError('ERR_PROVIDER_TIMEOUT');
    };
    await request();
    const worker = bench.work();
    await bench.pass(5_000);
    await worker.stop();
    Object.assign(parts, { targets: new RotationTargets([]) });
    bench.work();
    await bench.pass(120 * MINUTE);
    expect(await bench.latest()).toMatchObject({ state: 'parked', step: 'create' });
    await expect(abort()).rejects.toMatchObject({
      reason: 'no_connection',
      detail: expect.stringMatching(/connection "[^"]+".*add it again/),
    });
  });
});
