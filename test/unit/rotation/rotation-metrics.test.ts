import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { requestRotation } from '../../../src/rotation/request-rotation.ts';
import { rotationMetrics } from '../../../src/rotation/rotation-metrics.ts';
import { testMetrics } from '../../kit/api/test-metrics.ts';
import { BrokerError } from '../../../src/domain/errors.ts';
import { PATH, RotationBench } from '../../kit/rotation/rotation-bench.ts';

let bench: RotationBench;
beforeEach(async () => {
  bench = await RotationBench.open({ schedule: { every: '1h' }, retire: 'manual' });
});
afterEach(async () => bench.close());

async function metrics(): Promise<Readonly<Record<string, number>>> {
  const registered = testMetrics();
  registered.add(rotationMetrics(bench.broker.parts));
  const lines = (await registered.text()).split('\n').filter((line) => /^quaymaster/.test(line));
  return Object.fromEntries<number>(
    lines.map((line) => line.split(' ')).map(([name = '', value]) => [name, Number(value)]),
  );
}

describe('the metrics of rotations', () => {
  it('count running, parked, settling and never proven ones', async () => {
    expect(await metrics()).toMatchObject({
      'quaymaster_rotations{state="running"}': 0,
      quaymaster_rotations_never_proven: 1,
      quaymaster_rotation_overdue_seconds: 0,
      quaymaster_rotation_vetoes_total: 0,
    });
    bench.broker.parts.vetoes.count = 2;
    expect(await metrics()).toMatchObject({ quaymaster_rotation_vetoes_total: 2 });
    bench.work();
    await bench.pass(3_700_000);
    expect(await metrics()).toMatchObject({
      'quaymaster_rotations{state="running"}': 1,
      quaymaster_rotations_settling: 1,
      quaymaster_rotations_never_proven: 0,
    });
    bench.broker.clock.advance(100_000);
    expect(await metrics()).toMatchObject({ quaymaster_rotation_oldest_seconds: 100 });
  });

  it('show a parked one, and a run that no process starts', async () => {
    bench.broker.target.before = () => {
      throw new BrokerError('ERR_CONFLICT');
    };
    const order = { path: PATH, kind: 'rotation', incident: false } as const;
    await requestRotation(bench.broker.parts, bench.broker.call(), bench.admin, order);
    bench.work();
    await bench.pass(3_600_000 + 600_000);
    expect(await metrics()).toMatchObject({
      'quaymaster_rotations{state="parked"}': 1,
      quaymaster_rotations_failing: 1,
      quaymaster_rotation_overdue_seconds: 600,
    });
  });

  it('show a drill that no process starts', async () => {
    await bench.define({ drill: { every: '1h' } });
    bench.broker.clock.advance(3_600_000 + 400_000);
    expect(await metrics()).toMatchObject({ quaymaster_rotation_overdue_seconds: 400 });
  });
});
