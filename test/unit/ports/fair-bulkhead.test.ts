import { describe, expect, it } from '@jest/globals';
import { BrokerError } from '../../../src/domain/errors.ts';
import { createGuard } from '../../../src/providers/guard/guard.ts';
import { FairBulkhead } from '../../../src/ports/fair-bulkhead.ts';
import { guardLimitsSchema } from '../../../src/providers/guard/config.ts';
import { HandClock } from '../../kit/time/hand-clock.ts';

const full = (): BrokerError =>
  new BrokerError('ERR_PROVIDER_UNAVAILABLE', undefined, { reason: 'queue_full' });
const FOREVER = new AbortController().signal;

/** A backend whose calls finish when the test says so. */
class Calls {
  readonly started: string[] = [];
  readonly refused: string[] = [];
  readonly done: Promise<void>[] = [];
  readonly #ends: (() => void)[] = [];
  readonly #bulkhead: FairBulkhead;

  constructor(places: number, queueLength: number) {
    this.#bulkhead = new FairBulkhead(places, queueLength, full);
  }

  get bulkhead(): FairBulkhead {
    return this.#bulkhead;
  }

  begin(caller: string, count = 1, signal = FOREVER): void {
    for (let index = 0; index < count; index += 1) {
      const work = (): Promise<void> => {
        this.started.push(caller);
        const { promise, resolve } = Promise.withResolvers<undefined>();
        this.#ends.push(() => resolve(undefined));
        return promise;
      };
      this.done.push(
        this.#bulkhead.run(caller, signal, work).catch((error: unknown) => {
          this.refused.push(`${caller} ${(error as BrokerError).reason ?? String(error)}`);
        }),
      );
    }
  }

  /** Finishes the call that began first. */
  async end(count = 1): Promise<void> {
    for (let index = 0; index < count; index += 1) {
      this.#ends.shift()?.();
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}

describe('the places of a connection', () => {
  it('are all available to one caller while no other caller waits', () => {
    const calls = new Calls(4, 8);
    calls.begin('hog', 4);
    expect(calls.started).toHaveLength(4);
    expect(calls.bulkhead.inFlight).toBe(4);
  });

  it('go to the caller with the fewest calls in progress as they become free', async () => {
    const calls = new Calls(4, 64);
    calls.begin('hog', 40);
    calls.begin('one', 2);
    calls.begin('two', 2);
    await calls.end(4);
    expect(calls.started.slice(4)).toEqual(['one', 'two', 'hog', 'one']);
  });

  it('are limited to a quarter for one caller while three others wait (D15)', async () => {
    const calls = new Calls(32, 64);
    calls.begin('hog', 64);
    for (const other of ['one', 'two', 'three']) calls.begin(other, 8);
    await calls.end(24);
    const begun = calls.started.slice(32);
    expect(begun.filter((caller) => caller === 'hog')).toEqual([]);
    expect(calls.bulkhead.inFlight).toBe(32);
  });

  it('alternate between callers with as many calls in progress', async () => {
    const calls = new Calls(1, 64);
    calls.begin('hog', 20);
    calls.begin('one', 2);
    calls.begin('two', 2);
    await calls.end(6);
    expect(calls.started).toEqual(['hog', 'hog', 'one', 'two', 'hog', 'one', 'two']);
  });
});

describe('a full queue', () => {
  it('replaces the newest call of the caller with the most by the call of a caller with fewer (D15)', async () => {
    const calls = new Calls(1, 4);
    calls.begin('hog', 5);
    calls.begin('victim');
    await calls.end(0);
    await new Promise((resolve) => setImmediate(resolve));
    expect(calls.refused).toEqual(['hog queue_full']);
    expect(calls.bulkhead.queued).toBe(4);
    await calls.end(2);
    expect(calls.started).toContain('victim');
  });

  it('refuses the caller with the most calls, and one that would have as many', async () => {
    const calls = new Calls(1, 4);
    calls.begin('hog', 6);
    for (const caller of ['one', 'one', 'one']) calls.begin(caller);
    await new Promise((resolve) => setImmediate(resolve));
    expect(calls.refused.sort()).toEqual([
      'hog queue_full',
      'hog queue_full',
      'hog queue_full',
      'one queue_full',
    ]);
    expect(calls.bulkhead.queued).toBe(4);
  });

  it('refuses every caller if it has no room at all', async () => {
    const calls = new Calls(1, 0);
    calls.begin('one', 2);
    await new Promise((resolve) => setImmediate(resolve));
    expect(calls.refused).toEqual(['one queue_full']);
  });

  it('drops a call that was aborted while it waited', async () => {
    const calls = new Calls(1, 4);
    const controller = new AbortController();
    calls.begin('one');
    calls.begin('two', 1, controller.signal);
    controller.abort(new BrokerError('ERR_PROVIDER_TIMEOUT', undefined, { reason: 'cancelled' }));
    await new Promise((resolve) => setImmediate(resolve));
    expect(calls.refused).toEqual(['two cancelled']);
    expect(calls.bulkhead.queued).toBe(0);
    await calls.end(1);
    expect(calls.bulkhead.inFlight).toBe(0);
    calls.begin('three');
    expect(calls.started).toEqual(['one', 'three']);
  });
});

describe('a workload with 200 connections at a connection of 32 places', () => {
  it('does not cost another workload a single call (D15)', async () => {
    const limits = guardLimitsSchema.parse({ timeoutMs: 5000 });
    const guard = createGuard(limits, { clock: new HandClock(), connection: 'backend' });
    const backend = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 2));
    const read = (caller: string): Promise<string> =>
      guard.read({ requestId: 'req_1', signal: FOREVER, caller }, backend).then(
        () => 'ok',
        (error: unknown) => (error as BrokerError).reason ?? 'other',
      );
    let isOver = false;
    const flood = Array.from({ length: 200 }, async () => {
      while (!isOver) {
        await read('hog');
        await new Promise((resolve) => setImmediate(resolve));
      }
    });
    const answers: string[] = [];
    for (let round = 0; round < 40; round += 1) answers.push(await read('victim'));
    isOver = true;
    await Promise.all(flood);
    expect(answers).toEqual(Array.from({ length: 40 }, () => 'ok'));
    expect(guard.state()).toMatchObject({ inFlight: 0, queued: 0 });
  });
});
