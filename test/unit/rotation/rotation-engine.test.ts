import { afterEach, describe, expect, it } from '@jest/globals';
import { RotationBench } from '../../kit/rotation/rotation-bench.ts';

let bench: RotationBench;
afterEach(async () => bench.close());

describe('a scheduled rotation', () => {
  it('promotes a working value, keeps the other keys and retires the old one', async () => {
    bench = await RotationBench.open({ schedule: { every: '1h' } });
    bench.work();
    await bench.pass(3_600_000 + 20_000);
    expect((await bench.latest()).state).toBe('done');
    expect(await bench.current()).toEqual({ username: 'app', password: 'p1', other: 'kept' });
    expect(bench.broker.target.accepted.get('app')).toEqual(new Set(['p1']));
    expect(await bench.steps()).toEqual([
      ...['create', 'set', 'test', 'promote'].flatMap((step) => [`${step} begun`, `${step} done`]),
      'settle done',
      'retire begun',
      'retire done',
    ]);
  });
});
