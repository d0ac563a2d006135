import { expect, it } from '@jest/globals';
import { RepeatedWork } from '../../../src/ports/repeated-work.ts';
import { HandClock } from '../../kit/time/hand-clock.ts';

const SECOND = 1_000;

/** Work whose runs the test ends one by one. */
function bench() {
  const clock = new HandClock();
  const ends: ((failure?: Error) => void)[] = [];
  const errors: unknown[] = [];
  const work = new RepeatedWork({
    clock,
    run: async () => {
      const { promise, resolve, reject } = Promise.withResolvers<number>();
      ends.push((failure) => (failure === undefined ? resolve(SECOND) : reject(failure)));
      return promise;
    },
    onError: (error) => {
      errors.push(error);
      return 5 * SECOND;
    },
  });
  const settle = () => new Promise((resolve) => setImmediate(resolve));
  const end = async (failure?: Error) => {
    ends.shift()!(failure);
    await settle();
  };
  const pass = async (ms: number) => {
    clock.advance(ms);
    await settle();
  };
  return { work, errors, end, pass, inProgress: () => ends.length };
}

it('waits between the end of a run and the next one', async () => {
  const { work, end, pass, inProgress } = bench();
  work.startAfter(SECOND);
  expect(inProgress()).toBe(0);
  await pass(SECOND);
  expect(inProgress()).toBe(1);
  await pass(10 * SECOND);
  expect(inProgress()).toBe(1);
  await end();
  await pass(SECOND - 1);
  expect(inProgress()).toBe(0);
  await pass(1);
  expect(inProgress()).toBe(1);
});

it('repeats one run at once, however often it is woken during a run', async () => {
  const { work, end, pass, inProgress } = bench();
  let isIdle = false;
  void work.runNow();
  void work.runNow();
  void work.runNow().then(() => (isIdle = true));
  await end();
  expect([inProgress(), isIdle]).toEqual([1, false]);
  await end();
  expect([inProgress(), isIdle]).toEqual([0, true]);
  await pass(SECOND);
  expect(inProgress()).toBe(1);
});

it('does not wait any longer when it is woken between two runs', async () => {
  const { work, end, pass, inProgress } = bench();
  void work.runNow();
  await end();
  void work.runNow();
  expect(inProgress()).toBe(1);
  await pass(SECOND);
  expect(inProgress()).toBe(1);
});

it('continues after a failed run, with the pause that the failure demands', async () => {
  const { work, errors, end, pass, inProgress } = bench();
  const failure = new Error('once');
  void work.runNow();
  await end(failure);
  expect(errors).toEqual([failure]);
  await pass(5 * SECOND - 1);
  expect(inProgress()).toBe(0);
  await pass(1);
  expect(inProgress()).toBe(1);
});

it('waits for the run in progress when it stops, and begins no other one', async () => {
  const { work, errors, end, pass, inProgress } = bench();
  void work.runNow();
  void work.runNow();
  let isStopped = false;
  void work.stop().then(() => (isStopped = true));
  await pass(0);
  expect([work.signal.aborted, isStopped]).toEqual([true, false]);
  await end(new Error('aborted'));
  expect([isStopped, errors]).toEqual([true, []]);
  await work.runNow();
  work.startAfter(0);
  await pass(10 * SECOND);
  expect(inProgress()).toBe(0);
});
