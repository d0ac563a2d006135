import { afterEach, describe, expect, it } from '@jest/globals';
import { BrokerError } from '../../../src/domain/errors.ts';
import {
  type ControlledRotation,
  controlRotation,
} from '../../../src/rotation/control-rotation.ts';
import { openSlot } from '../../../src/rotation/rotation-row.ts';
import { requestRotation } from '../../../src/rotation/request-rotation.ts';
import { notYet } from '../../../src/providers/rotator/values.ts';
import { codeOf } from '../../kit/broker/test-broker.ts';
import { PATH, RotationBench } from '../../kit/rotation/rotation-bench.ts';
import type { TargetStep } from '../../kit/fakes/scripted-target.ts';
import { listRows } from '../../kit/store/table-rows.ts';

let bench: RotationBench;
afterEach(async () => bench.close());

const POINTS = pointsOf('create', 'set', 'test', 'promote', 'retire');
const DRILL_POINTS = pointsOf('create', 'set', 'test', 'discard');
const SLOTS = ['one', 'two'] as const;
const MINUTE = 60_000;

function pointsOf(...steps: readonly string[]): readonly string[] {
  return steps.flatMap((step) =>
    ['before_begun', 'after_begun', 'after_effect', 'after_done'].map((when) => `${step}.${when}`),
  );
}

/** An action that runs once, at one failpoint. @returns whether it ran. */
function once(point: string, happens: () => unknown): () => boolean {
  let isHit = false;
  Object.assign(bench.broker.parts, {
    failpoint: (name: string) => {
      if (isHit || name !== `rotation.${point}`) return undefined;
      isHit = true;
      return happens();
    },
  });
  return () => isHit;
}

function fail(): never {
  throw new Error('failpoint');
}

async function open(slots: 'one' | 'two' = 'two', rotation: object = {}): Promise<void> {
  bench = await RotationBench.open({ options: { slots }, ...rotation });
}

async function request(more: object = {}): Promise<void> {
  const { parts } = bench.broker;
  const order = { path: PATH, kind: 'rotation' as const, incident: false, ...more };
  await requestRotation(parts, bench.broker.call(), bench.admin, order);
}

function direct(verb: 'retry' | 'abort' | 'rollBack' | 'retire'): Promise<ControlledRotation> {
  return controlRotation(bench.broker.parts, bench.broker.call(), bench.admin, {
    path: PATH,
    verb,
  });
}

/** A target that completes by itself. @returns a function that completes it. */
function waiting(retryAfterSeconds: number): () => void {
  let isReady = false;
  bench.broker.target.before = (step) => {
    if (step === 'create' && !isReady) throw notYet(retryAfterSeconds);
  };
  return () => {
    isReady = true;
  };
}

/** I5: the target accepts the current value, or a value that the rotation keeps. */
async function expectAccess(): Promise<void> {
  const { parts, target } = bench.broker;
  const row = await bench.latest();
  const stored = [await bench.current(), openSlot(parts, row, 'pending')];
  expect(stored.some((data) => target.works(data))).toBe(true);
}

async function expectOver(state: string): Promise<void> {
  const row = await bench.latest();
  const { target } = bench.broker;
  expect({ state: row.state, error: row.last_error }).toEqual({ state, error: null });
  expect(target.works(await bench.current())).toBe(true);
  expect(target.accepted.get('app')?.size).toBe(1);
  expect((await bench.schedule())?.active_id).toBeNull();
  expect([row.pending, row.previous, row.owner]).toEqual([null, null, null]);
}

describe.each(SLOTS)('a rotation with slots %s', (slots) => {
  it.each(POINTS)('resumes after a failure at %s, with one new value (F01)', async (point) => {
    await open(slots);
    const isHit = once(point, fail);
    bench.work();
    await request();
    await bench.rest();
    expect(isHit()).toBe(true);
    await expectAccess();
    await bench.pass(5 * MINUTE);
    await expectOver('done');
    expect(bench.broker.target.made).toEqual(
      point.startsWith('create') ? ['p0', expect.any(String)] : ['p0', 'p1'],
    );
  });

  it.each(POINTS)('is taken over when its process is paused at %s (F01, F08)', async (point) => {
    await open(slots);
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const isHit = once(point, () => promise);
    bench.work();
    await request();
    await bench.rest();
    expect(isHit()).toBe(true);
    await expectAccess();
    bench.work();
    await bench.pass(3 * MINUTE);
    await expectOver('done');
    const calls = bench.broker.target.calls.length;
    const version = await bench.current();
    // The paused one continues: it finds that it has lost the rotation.
    resolve(undefined);
    await bench.rest();
    await expectOver('done');
    expect(bench.broker.target.calls).toHaveLength(calls);
    expect(await bench.current()).toEqual(version);
  });

  it.each(['set', 'test', 'retire'] as const)(
    'completes when the answer to %s is lost, without doing it twice',
    async (step) => {
      await open(slots);
      let isLost = false;
      bench.broker.target.after = (done: TargetStep) => {
        if (isLost || done !== step) return;
        isLost = true;
        throw new BrokerError('ERR_PROVIDER_TIMEOUT');
      };
      bench.work();
      await request();
      await bench.rest();
      await expectAccess();
      await bench.pass(2 * MINUTE);
      expect(isLost).toBe(true);
      await expectOver('done');
      expect(bench.broker.target.made).toEqual(['p0', 'p1']);
    },
  );

  it.each(['create', 'set', 'test'] as const)(
    'is parked when %s always fails, and an abort keeps the old credential',
    async (step) => {
      await open(slots);
      bench.broker.target.before = (at) => {
        if (at === step) throw new BrokerError('ERR_PROVIDER_UNAVAILABLE');
      };
      bench.work();
      await request();
      await bench.pass(60 * MINUTE);
      const row = await bench.latest();
      expect([row.state, row.step, row.attempts, row.next_attempt_at]).toEqual([
        'parked',
        step,
        6,
        null,
      ]);
      expect(bench.broker.target.calls.filter((call) => call === step)).toHaveLength(6);
      expect((await bench.schedule())?.failures).toBe(6);
      await expectAccess();
      bench.broker.target.before = () => undefined;
      await direct('abort');
      await bench.pass(MINUTE);
      await expectOver('aborted');
      expect(await bench.current()).toMatchObject({ password: 'p0' });
    },
  );

  it('resumes from parked after a retry', async () => {
    await open(slots);
    bench.broker.target.refuses = 'login_refused';
    bench.work();
    await request();
    await bench.pass(60 * MINUTE);
    const row = await bench.latest();
    expect([row.state, row.last_error]).toEqual(['parked', 'refused_login_refused']);
    bench.broker.target.refuses = undefined;
    await direct('retry');
    await bench.pass(MINUTE);
    await expectOver('done');
  });

  it.each(['retry', 'abort'] as const)(
    'reports which credentials its target accepts when a parked one gets a %s',
    async (verb) => {
      await open(slots);
      bench.broker.target.before = (step) => {
        if (step === 'test') throw new BrokerError('ERR_PROVIDER_UNAVAILABLE');
      };
      bench.work();
      await request();
      await bench.pass(60 * MINUTE);
      expect((await bench.latest()).state).toBe('parked');
      bench.broker.target.before = () => undefined;
      const current = slots === 'two' ? 'accepted' : 'refused';
      expect((await direct(verb)).probe).toEqual({ current, pending: 'accepted' });
    },
  );

  it('is not probed while it is in progress', async () => {
    await open(slots);
    await request();
    expect((await direct('abort')).probe).toBeUndefined();
  });
});

describe('a rotation', () => {
  it('is parked at once if the target does not match the definition', async () => {
    await open();
    bench.broker.target.before = () => {
      throw new BrokerError('ERR_CONFLICT', 'host', { reason: 'host_mismatch' });
    };
    bench.work();
    await request();
    await bench.pass(MINUTE);
    const row = await bench.latest();
    expect([row.state, row.last_error, row.attempts]).toEqual(['parked', 'host_mismatch', 1]);
    expect(bench.broker.target.made).toEqual(['p0']);
  });

  it('cancels a step at its time-out when the target hangs', async () => {
    await open();
    let isHanging = true;
    bench.broker.target.before = (step) =>
      step === 'set' && isHanging ? new Promise(() => undefined) : undefined;
    bench.work();
    await request();
    await bench.pass(31_000);
    expect(await bench.latest()).toMatchObject({ step: 'set', last_error: 'ERR_PROVIDER_TIMEOUT' });
    isHanging = false;
    await bench.pass(2 * MINUTE);
    await expectOver('done');
  });

  it('waits as long as its target asks', async () => {
    await open();
    const letOn = waiting(3_600);
    bench.work();
    await request();
    await bench.pass(59 * MINUTE);
    expect(await bench.latest()).toMatchObject({ state: 'running', attempts: 1 });
    expect((await bench.schedule())?.failures).toBe(0);
    letOn();
    await bench.pass(10 * MINUTE);
    await expectOver('done');
  });

  it('waits for hours, polls less often, and is neither failed nor parked', async () => {
    await open();
    const letOn = waiting(10);
    bench.work();
    const entries = await bench.broker.entriesOf(async () => {
      await request();
      for (let passed = 0; passed < 180; passed += 20) await bench.pass(20 * MINUTE);
    });
    expect(await bench.latest()).toMatchObject({ state: 'running', last_error: 'not_yet' });
    expect((await bench.schedule())?.failures).toBe(0);
    const waits = (await bench.steps()).filter((step) => step === 'create waits');
    expect(waits.length).toBeGreaterThan(20);
    expect(waits.length).toBeLessThan(65);
    const said = entries.filter(({ action }) => action === 'rotation.step');
    expect(said.some(({ outcome }) => outcome !== 'ok')).toBe(false);
    expect(said.filter(({ cause }) => cause === 'waits')).toHaveLength(waits.length);
    letOn();
    await bench.pass(20 * MINUTE);
    await expectOver('done');
  });

  it('counts attempts from the start after it waited', async () => {
    await open();
    let asked = 0;
    bench.broker.target.before = (step) => {
      if (step !== 'create') return;
      asked += 1;
      if (asked % 5 === 0) throw notYet(1);
      if (asked < 20) throw new BrokerError('ERR_PROVIDER_FAILED');
    };
    bench.work();
    await request();
    for (let passed = 0; passed < 100; passed += 20) await bench.pass(20 * MINUTE);
    expect(asked).toBe(21);
    await expectOver('done');
  });

  it('does not keep a value current that was written in the meantime', async () => {
    await open();
    bench.broker.target.before = async (step) => {
      if (step === 'test') await bench.write({ username: 'app', password: 'stranger' });
    };
    bench.work();
    await request();
    await bench.pass(MINUTE);
    await expectOver('done');
    expect(await bench.current()).toMatchObject({ password: 'p1' });
  });

  it('is undone as soon as the step in progress is over, when it is aborted', async () => {
    await open();
    let isAborted = false;
    bench.broker.target.after = async (step) => {
      if (step !== 'set' || isAborted) return;
      isAborted = true;
      await direct('abort');
    };
    bench.work();
    await request();
    await bench.pass(5_000);
    expect(isAborted).toBe(true);
    await expectOver('aborted');
  });

  it('exists once per path, however many are requested', async () => {
    await open();
    await request();
    expect(await codeOf(request())).toBe('ERR_CONFLICT');
    bench.work();
    bench.work();
    await bench.pass(MINUTE);
    expect(bench.broker.target.calls.filter((call) => call === 'set')).toHaveLength(1);
    await expectOver('done');
  });

  it('leaves no password in the log, the history or the entries', async () => {
    await open();
    bench.broker.target.before = (step) => {
      if (step === 'test') throw new BrokerError('ERR_PROVIDER_FAILED');
    };
    bench.work();
    const entries = await bench.broker.entriesOf(async () => {
      await request();
      await bench.pass(MINUTE);
    });
    const { store, logged } = bench.broker;
    const history = await listRows(store, 'rotation_steps', { limit: 100 });
    expect(JSON.stringify([entries, history])).not.toMatch(/"p[01]"/);
    expect(JSON.stringify(logged)).not.toMatch(/"p[01]"/);
  });

  it('makes the old value current again and revokes the new one when rolled back', async () => {
    await open('two', { retire: 'manual' });
    bench.work();
    await request();
    await bench.pass(MINUTE);
    expect(await bench.current()).toMatchObject({ password: 'p1' });
    await direct('rollBack');
    await bench.pass(MINUTE);
    await expectOver('rolled_back');
    expect(await bench.current()).toMatchObject({ password: 'p0' });
  });

  it('resumes a roll-back that failed half way', async () => {
    await open('two', { retire: 'manual' });
    bench.work();
    await request();
    await bench.pass(MINUTE);
    let failures = 0;
    bench.broker.target.before = (step) => {
      failures += 1;
      if (step === 'discard' && failures < 3) throw new BrokerError('ERR_PROVIDER_TIMEOUT');
    };
    await direct('rollBack');
    await bench.pass(5 * MINUTE);
    await expectOver('rolled_back');
    expect(await bench.current()).toMatchObject({ password: 'p0' });
  });

  it('retires at once in an incident, whatever the definition waits for', async () => {
    await open('two', { retire: 'manual' });
    bench.work();
    await request({ incident: true });
    await bench.pass(MINUTE);
    await expectOver('done');
  });

  it('waits for the end of the grace period if the definition says so', async () => {
    await open('two', { retire: 'afterGrace', grace: '1h' });
    bench.work();
    await request();
    await bench.pass(59 * MINUTE);
    expect(await bench.latest()).toMatchObject({ state: 'running', step: 'settle' });
    expect(bench.broker.target.works({ username: 'app', password: 'p0' })).toBe(true);
    await bench.pass(2 * MINUTE);
    await expectOver('done');
  });
});

async function expectDrilled(): Promise<void> {
  await expectOver('done');
  expect(await bench.latest()).toMatchObject({ kind: 'drill', promoted_at: null, version: null });
  expect(await bench.current()).toMatchObject({ password: 'p0', other: 'kept' });
  expect((await bench.schedule())?.proven_at).not.toBeNull();
}

describe('a drill', () => {
  it('tests a new credential and leaves everything unchanged', async () => {
    await open('two', { drill: { every: '1d' } });
    bench.work();
    await bench.pass(24 * 60 * MINUTE + MINUTE);
    await expectOver('done');
    expect(await bench.latest()).toMatchObject({ kind: 'drill', promoted_at: null });
    expect(bench.broker.target.calls).toEqual(['create', 'set', 'test', 'discard']);
    expect(await bench.current()).toMatchObject({ password: 'p0' });
    const { proven_at, next_drill_at } = (await bench.schedule())!;
    expect(next_drill_at).toBe(proven_at! + 24 * 60 * MINUTE);
  });

  it.each(DRILL_POINTS)(
    'resumes after a failure at %s, and leaves everything unchanged',
    async (point) => {
      await open();
      const isHit = once(point, fail);
      bench.work();
      await request({ kind: 'drill' });
      await bench.rest();
      expect(isHit()).toBe(true);
      expect(bench.broker.target.works(await bench.current())).toBe(true);
      await bench.pass(5 * MINUTE);
      await expectDrilled();
    },
  );

  it.each(DRILL_POINTS)(
    'is taken over when its process is paused at %s (F01, F08)',
    async (point) => {
      await open();
      const { promise, resolve } = Promise.withResolvers<undefined>();
      const isHit = once(point, () => promise);
      bench.work();
      await request({ kind: 'drill' });
      await bench.rest();
      expect(isHit()).toBe(true);
      bench.work();
      await bench.pass(3 * MINUTE);
      await expectDrilled();
      resolve(undefined);
      await bench.rest();
      await expectDrilled();
    },
  );

  it('does not count as proof when its test fails, and revokes the new credential when aborted', async () => {
    await open();
    bench.broker.target.refuses = 'grants_missing';
    bench.work();
    await request({ kind: 'drill' });
    await bench.pass(60 * MINUTE);
    const { state, last_error } = await bench.latest();
    expect([state, last_error]).toEqual(['parked', 'refused_grants_missing']);
    expect((await bench.schedule())?.proven_at).toBeNull();
    await direct('abort');
    await bench.pass(MINUTE);
    await expectOver('aborted');
    expect(await bench.current()).toMatchObject({ password: 'p0' });
  });

  it('is refused for a target with one slot', async () => {
    await open('one');
    expect(await codeOf(request({ kind: 'drill' }))).toBe('ERR_CONFLICT');
  });
});
