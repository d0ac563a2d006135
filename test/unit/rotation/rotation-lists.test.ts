import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { controlRotation } from '../../../src/rotation/control-rotation.ts';
import { requestRotation } from '../../../src/rotation/request-rotation.ts';
import {
  listRotations,
  rotationStatus,
  type RotationFilter,
} from '../../../src/rotation/rotation-status.ts';
import { RotationTargets } from '../../../src/broker/state/rotation-targets.ts';
import { BrokerError } from '../../../src/domain/errors.ts';
import { PATH, RotationBench } from '../../kit/rotation/rotation-bench.ts';

const HOUR = 3_600_000;
const LATE = 6 * 60_000;

let bench: RotationBench;
beforeEach(async () => {
  bench = await RotationBench.open();
});
afterEach(async () => bench.close());

async function listed(filter: RotationFilter): Promise<readonly string[]> {
  const { parts } = bench.broker;
  const asked = { filter, page: { limit: 10, after: undefined } };
  const { items } = await listRotations(parts, bench.broker.call(), bench.admin, asked);
  return items.map(({ schedule }) => schedule.path);
}

async function drill(): Promise<void> {
  const order = { path: PATH, kind: 'drill', incident: false } as const;
  await requestRotation(bench.broker.parts, bench.broker.call(), bench.admin, order);
}

function spoilTarget(): void {
  bench.broker.target.before = () => {
    throw new BrokerError('ERR_CONFLICT');
  };
}

describe('the next runs of a path', () => {
  const nextRuns = async (): Promise<readonly number[]> => {
    const { parts } = bench.broker;
    return (await rotationStatus(parts, bench.broker.call(), bench.admin, PATH)).nextRuns;
  };

  it('are five, beginning with the one due next', async () => {
    await bench.define({ schedule: { cron: '0 3 1 * *', timeZone: 'Europe/Berlin' } });
    const runs = await nextRuns();
    expect(runs[0]).toBe((await bench.schedule())?.next_run_at);
    const format = new Intl.DateTimeFormat('en-GB', {
      timeZone: 'Europe/Berlin',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
    });
    expect(runs.map((at) => format.format(at))).toEqual(Array(5).fill('1, 03:00'));
    expect(new Set(runs).size).toBe(5);
  });

  it('are empty without a schedule, or while it is paused', async () => {
    await bench.define({});
    expect(await nextRuns()).toEqual([]);
    await bench.define({ schedule: { every: '1h' }, paused: true });
    expect(await nextRuns()).toEqual([]);
  });
});

describe('the list of rotations', () => {
  it.each(['secret-reader', 'secret-editor', 'policy-editor', 'responder'] as const)(
    'is refused to an operator that is %s only',
    async (role) => {
      const { parts } = bench.broker;
      const operator = await bench.broker.operator(`only-${role}`, [{ role, scope: [] }]);
      const asked = { filter: {}, page: { limit: 10, after: undefined } };
      await expect(
        listRotations(parts, bench.broker.call(), operator, asked),
      ).rejects.toMatchObject({ code: 'ERR_DENIED' });
    },
  );
});

describe('the list of overdue paths', () => {
  it('has a run that did not start', async () => {
    await bench.define({ schedule: { every: '1h' } });
    bench.broker.clock.advance(HOUR);
    expect(await listed({ overdue: true })).toEqual([]);
    bench.broker.clock.advance(LATE);
    expect(await listed({ overdue: true })).toEqual([PATH]);
  });

  it('has a scheduled run that started and does not promote a new version', async () => {
    await bench.define({ schedule: { every: '1h' } });
    spoilTarget();
    bench.work();
    await bench.pass(HOUR + 2 * LATE);
    expect((await bench.latest()).state).toBe('parked');
    expect(await listed({ overdue: true })).toEqual([PATH]);
  });

  it('has a requested run that does not promote a new version', async () => {
    await bench.define({});
    spoilTarget();
    bench.work();
    const order = { path: PATH, kind: 'rotation' as const, incident: true };
    await requestRotation(bench.broker.parts, bench.broker.call(), bench.admin, order);
    await bench.pass(2 * LATE);
    expect(await listed({ overdue: true })).toEqual([PATH]);
  });

  it('does not have a rotation that only settles', async () => {
    await bench.define({ schedule: { every: '1h' }, retire: 'manual' });
    bench.work();
    await bench.pass(HOUR + LATE);
    expect((await bench.latest()).step).toBe('settle');
    expect(await listed({ overdue: true })).toEqual([]);
  });

  it('has a drill that did not start', async () => {
    await bench.define({ drill: { every: '1h' } });
    bench.broker.clock.advance(HOUR + LATE);
    expect(await listed({ overdue: true })).toEqual([PATH]);
  });

  it('has a credential whose proof is older than its drill interval, until it is proven again', async () => {
    await bench.define({ drill: { every: '1h' } });
    bench.work();
    await drill();
    await bench.pass(60_000);
    expect(await listed({ overdue: true })).toEqual([]);
    spoilTarget();
    await bench.pass(HOUR + LATE);
    expect(await listed({ overdue: true })).toEqual([PATH]);
    bench.broker.target.before = () => undefined;
    const abort = { path: PATH, verb: 'abort' } as const;
    await controlRotation(bench.broker.parts, bench.broker.call(), bench.admin, abort);
    await bench.pass(60_000);
    expect(await listed({ overdue: true })).toEqual([PATH]);
    await drill();
    await bench.pass(60_000);
    expect(await listed({ overdue: true })).toEqual([]);
  });
});

describe('a value that expires', () => {
  const DAYS = 24 * HOUR;
  const options = { lifetimeSeconds: 90 * 86_400 };
  const rotated = async (rotation: object): Promise<void> => {
    await bench.define({ options, retire: 'afterGrace', grace: '1m', ...rotation });
    bench.work();
    const order = { path: PATH, kind: 'rotation', incident: false } as const;
    await requestRotation(bench.broker.parts, bench.broker.call(), bench.admin, order);
    await bench.pass(10 * 60_000);
    expect(await bench.latest()).toMatchObject({ state: 'done' });
  };

  it.each([{}, { schedule: { every: '30d' }, paused: true }])(
    'is overdue in its last third if nothing rotates it by itself: %j',
    async (rotation) => {
      await rotated(rotation);
      bench.broker.clock.advance(59 * DAYS);
      expect(await listed({ overdue: true })).toEqual([]);
      bench.broker.clock.advance(2 * DAYS);
      expect(await listed({ overdue: true })).toEqual([PATH]);
    },
  );

  it('is not overdue if its schedule rotates it in time', async () => {
    await rotated({ schedule: { every: '80d' } });
    bench.broker.clock.advance(70 * DAYS);
    expect(await listed({ overdue: true })).toEqual([]);
  });

  it('is not overdue if its connection is missing', async () => {
    await rotated({});
    bench.broker.clock.advance(70 * DAYS);
    Object.assign(bench.broker.parts, { targets: new RotationTargets([]) });
    expect(await listed({ overdue: true })).toEqual([]);
  });
});

describe('the list of credentials that were never proven', () => {
  it('has a path until a drill or a rotation tested its credential', async () => {
    expect(await listed({ neverProven: true })).toEqual([PATH]);
    bench.work();
    await drill();
    await bench.pass(60_000);
    expect(await listed({ neverProven: true })).toEqual([]);
  });
});
