import { describe, it, expect } from '@jest/globals';
import { BrokerError, type ErrorCode } from '../../../../src/domain/errors.ts';
import type { CallContext } from '../../../../src/ports/call-context.ts';
import { createGuard, type Guard } from '../../../../src/providers/guard/guard.ts';
import { guardLimitsSchema } from '../../../../src/providers/guard/config.ts';
import { HandClock } from '../../../kit/time/hand-clock.ts';

const context = (signal = new AbortController().signal): CallContext => ({
  requestId: 'req_1',
  signal,
});

const guardOf = (limits: Record<string, number>): { guard: Guard; clock: HandClock } => {
  const clock = new HandClock();
  return {
    guard: createGuard(guardLimitsSchema.parse(limits), { clock, connection: 'backend' }),
    clock,
  };
};

const failing = (code: ErrorCode, reason?: string, retryAfterSeconds?: number) => () =>
  Promise.reject(
    new BrokerError(code, undefined, {
      ...(reason !== undefined && { reason }),
      ...(retryAfterSeconds !== undefined && { retryAfterSeconds }),
    }),
  );

const outcome = async (call: Promise<unknown>): Promise<BrokerError> => {
  try {
    await call;
  } catch (error) {
    if (error instanceof BrokerError) return error;
    throw error;
  }
  throw new Error('it succeeded');
};

/** Ends when its signal aborts, as every attempt must. */
const hanging = (signal: AbortSignal): Promise<never> => {
  const { promise, reject } = Promise.withResolvers<never>();
  signal.addEventListener('abort', () => reject(new Error('aborted by signal')));
  return promise;
};

const settle = async (): Promise<void> => {
  for (let turn = 0; turn < 5; turn += 1) await new Promise((done) => setImmediate(done));
};

describe('the guard of a connection', () => {
  it("returns the backend's answer", async () => {
    const { guard } = guardOf({});
    await expect(guard.read(context(), () => Promise.resolve(7))).resolves.toBe(7);
    expect(guard.state()).toMatchObject({
      circuit: 'closed',
      inFlight: 0,
      queued: 0,
      calls: 1,
      attempts: 1,
      refused: 0,
    });
  });

  it('counts finished calls by result, with their duration', async () => {
    const { guard, clock } = guardOf({ maxRetries: 0, failuresToOpen: 3 });
    await guard.read(context(), () => {
      clock.advance(300);
      return Promise.resolve(7);
    });
    await outcome(guard.effect(context(), failing('ERR_PROVIDER_DENIED')));
    await outcome(guard.effect(context(), () => Promise.reject(new Error('unexpected'))));
    await outcome(guard.effect(context(), failing('ERR_PROVIDER_UNAVAILABLE')));
    const { results, durations } = guard.state();
    expect(Object.fromEntries(results)).toEqual({
      ok: 1,
      ERR_PROVIDER_DENIED: 1,
      ERR_PROVIDER_FAILED: 1,
      ERR_PROVIDER_UNAVAILABLE: 1,
    });
    expect(durations.seconds).toBeCloseTo(0.3);
    expect(durations.buckets.reduce((sum, count) => sum + count)).toBe(4);
  });

  it('ends a call at its deadline even when the work ignores the signal', async () => {
    const { guard, clock } = guardOf({ timeoutMs: 5000 });
    const call = outcome(guard.read(context(), () => new Promise(() => undefined)));
    await settle();
    clock.advance(5000);
    const error = await call;
    expect(error.code).toBe('ERR_PROVIDER_TIMEOUT');
    expect(error.reason).toBe('deadline');
  });

  it('ends a call when its caller disconnects, and does not count it against the backend', async () => {
    const { guard } = guardOf({ failuresToOpen: 1 });
    const caller = new AbortController();
    const call = outcome(guard.read(context(caller.signal), hanging));
    await settle();
    caller.abort();
    expect((await call).reason).toBe('cancelled');
    expect(guard.state().circuit).toBe('closed');
  });

  it('counts it against the backend when the caller’s deadline passes', async () => {
    const { guard, clock } = guardOf({ failuresToOpen: 1 });
    const caller = new AbortController();
    const call = outcome(guard.read(context(caller.signal), hanging));
    await settle();
    clock.advance(2000);
    caller.abort(new DOMException('late', 'TimeoutError'));
    expect((await call).code).toBe('ERR_PROVIDER_TIMEOUT');
    await settle();
    expect(guard.state().circuit).toBe('open');
  });

  it('does not open for a caller with hardly any time left', async () => {
    const { guard, clock } = guardOf({ failuresToOpen: 1 });
    const caller = new AbortController();
    const call = outcome(guard.read(context(caller.signal), hanging));
    await settle();
    clock.advance(20);
    caller.abort(new DOMException('late', 'TimeoutError'));
    await call;
    expect(guard.state().circuit).toBe('closed');
  });

  it('starts no call for a caller that has already disconnected', async () => {
    const { guard } = guardOf({});
    const call = guard.effect(context(AbortSignal.abort()), () => Promise.resolve(1));
    expect((await outcome(call)).code).toBe('ERR_PROVIDER_TIMEOUT');
    expect(guard.state().attempts).toBe(0);
  });

  it('runs a limited number, queues a limited number and refuses the rest at once', async () => {
    const { guard } = guardOf({ maxConcurrent: 2, maxQueue: 1 });
    const gate = Promise.withResolvers<string>();
    const held = [1, 2, 3].map(() => guard.read(context(), () => gate.promise));
    const refused = await outcome(guard.read(context(), () => gate.promise));
    expect(refused.code).toBe('ERR_PROVIDER_UNAVAILABLE');
    expect(refused.reason).toBe('queue_full');
    expect(refused.retryAfterSeconds).toBe(1);
    expect(guard.state()).toMatchObject({ inFlight: 2, queued: 1, attempts: 2, refused: 1 });
    gate.resolve('open');
    await expect(Promise.all(held)).resolves.toEqual(['open', 'open', 'open']);
    expect(guard.state()).toMatchObject({ inFlight: 0, queued: 0 });
  });

  it('times out in the queue without counting it against the backend', async () => {
    const { guard, clock } = guardOf({ maxConcurrent: 1, maxQueue: 5, failuresToOpen: 2 });
    const gate = Promise.withResolvers<string>();
    const held = guard.read(context(), () => gate.promise);
    const queued = [1, 2, 3].map(() => outcome(guard.read(context(), () => Promise.resolve('x'))));
    await settle();
    clock.advance(4900);
    gate.resolve('late');
    await expect(held).resolves.toBe('late');
    await Promise.allSettled(queued);
    expect(guard.state().circuit).toBe('closed');
  });

  it('turns an unexpected error into a backend failure and keeps its cause', async () => {
    const { guard } = guardOf({});
    const cause = new TypeError('socket soup');
    const error = await outcome(guard.effect(context(), () => Promise.reject(cause)));
    expect(error.code).toBe('ERR_PROVIDER_FAILED');
    expect(error.cause).toBe(cause);
  });
});

describe('the circuit', () => {
  const openIt = async (guard: Guard, times: number): Promise<void> => {
    for (let call = 0; call < times; call += 1) {
      await outcome(guard.effect(context(), failing('ERR_PROVIDER_UNAVAILABLE')));
    }
  };

  it('opens after failures in a row and reports when to retry', async () => {
    const { guard } = guardOf({ failuresToOpen: 3, probeAfterMs: 5000 });
    await openIt(guard, 3);
    const error = await outcome(guard.read(context(), () => Promise.resolve(1)));
    expect(error).toMatchObject({ code: 'ERR_PROVIDER_UNAVAILABLE', retryAfterSeconds: 5 });
    expect(guard.state()).toMatchObject({ circuit: 'open', attempts: 3, refused: 1 });
  });

  it('opens when over half of the last calls failed, successes between them', async () => {
    const { guard } = guardOf({ failuresToOpen: 100 });
    for (let call = 0; call < 30 && guard.state().circuit === 'closed'; call += 1) {
      const work = call % 3 === 0 ? () => Promise.resolve() : failing('ERR_PROVIDER_FAILED');
      await guard.effect(context(), work).catch(() => undefined);
    }
    expect(guard.state().circuit).toBe('open');
  });

  it.each<[ErrorCode, string | undefined]>([
    ['ERR_NOT_FOUND', undefined],
    ['ERR_PROVIDER_DENIED', undefined],
    ['ERR_PROVIDER_FAILED', 'refused'],
    ['ERR_PROVIDER_UNAVAILABLE', 'throttled'],
  ])('stays closed when the backend answers %s %s', async (code, reason) => {
    const { guard } = guardOf({ failuresToOpen: 2 });
    for (let call = 0; call < 30; call += 1) {
      await outcome(guard.effect(context(), failing(code, reason)));
    }
    expect(guard.state().circuit).toBe('closed');
  });

  it('opens for unusable answers', async () => {
    const { guard } = guardOf({ failuresToOpen: 2 });
    await outcome(guard.read(context(), failing('ERR_PROVIDER_MALFORMED')));
    await outcome(guard.read(context(), failing('ERR_PROVIDER_MALFORMED')));
    expect(guard.state().circuit).toBe('open');
  });

  it('lets one probe through after a while, refuses the others meanwhile, and closes when it succeeds', async () => {
    const { guard, clock } = guardOf({ failuresToOpen: 2, probeAfterMs: 1000 });
    await openIt(guard, 2);
    clock.advance(1000);
    const gate = Promise.withResolvers<string>();
    const probe = guard.read(context(), () => gate.promise);
    await settle();
    expect(guard.state().circuit).toBe('half-open');
    const other = await outcome(guard.read(context(), () => Promise.resolve('x')));
    expect(other.reason).toBe('circuit_open');
    gate.resolve('back');
    await expect(probe).resolves.toBe('back');
    expect(guard.state().circuit).toBe('closed');
    await expect(guard.read(context(), () => Promise.resolve('x'))).resolves.toBe('x');
  });

  it('opens again when the probe fails', async () => {
    const { guard, clock } = guardOf({ failuresToOpen: 2, probeAfterMs: 1000 });
    await openIt(guard, 2);
    clock.advance(1000);
    await openIt(guard, 1);
    expect(guard.state().circuit).toBe('open');
    clock.advance(999);
    expect((await outcome(guard.read(context(), () => Promise.resolve(1)))).reason).toBe(
      'circuit_open',
    );
    clock.advance(1);
    await expect(guard.read(context(), () => Promise.resolve(1))).resolves.toBe(1);
  });

  it('stays open when the caller of the probe disconnects', async () => {
    const { guard, clock } = guardOf({ failuresToOpen: 2, probeAfterMs: 1000 });
    await openIt(guard, 2);
    clock.advance(1000);
    const caller = new AbortController();
    const probe = outcome(guard.read(context(caller.signal), hanging));
    await settle();
    caller.abort();
    await probe;
    await settle();
    expect(guard.state().circuit).toBe('open');
  });

  it('probes on time even if the wall clock was set back', async () => {
    const { guard, clock } = guardOf({ failuresToOpen: 2, probeAfterMs: 1000 });
    await openIt(guard, 2);
    clock.setWall(clock.now() - 3_600_000);
    clock.advance(1000);
    await expect(guard.read(context(), () => Promise.resolve('back'))).resolves.toBe('back');
  });
});

describe('retries', () => {
  const warm = async (guard: Guard, calls: number): Promise<void> => {
    for (let call = 0; call < calls; call += 1)
      await guard.read(context(), () => Promise.resolve());
  };

  const drive = async (call: Promise<unknown>, clock: HandClock): Promise<void> => {
    const state = { settled: false };
    const isSettled = (): boolean => state.settled;
    void call.catch(() => undefined).finally(() => (state.settled = true));
    for (let turn = 0; turn < 200; turn += 1) {
      await settle();
      if (isSettled()) return;
      clock.advance(50);
    }
  };

  it('repeat a read that failed without a connection', async () => {
    const { guard, clock } = guardOf({});
    await warm(guard, 20);
    let attempts = 0;
    const call = guard.read(context(), () => {
      attempts += 1;
      return attempts < 3
        ? failing('ERR_PROVIDER_UNAVAILABLE')()
        : Promise.resolve(`attempt ${attempts}`);
    });
    await drive(call, clock);
    await expect(call).resolves.toBe('attempt 3');
  });

  it('never repeat a call with an effect', async () => {
    const { guard } = guardOf({});
    await warm(guard, 50);
    const before = guard.state().attempts;
    await outcome(guard.effect(context(), failing('ERR_PROVIDER_UNAVAILABLE')));
    expect(guard.state().attempts - before).toBe(1);
  });

  it.each<[ErrorCode]>([['ERR_NOT_FOUND'], ['ERR_PROVIDER_DENIED'], ['ERR_PROVIDER_MALFORMED']])(
    'do not repeat %s',
    async (code) => {
      const { guard } = guardOf({});
      await warm(guard, 50);
      const before = guard.state().attempts;
      await outcome(guard.read(context(), failing(code)));
      expect(guard.state().attempts - before).toBe(1);
    },
  );

  it("wait for the backend's Retry-After", async () => {
    const { guard, clock } = guardOf({});
    await warm(guard, 10);
    const startedAt = clock.monotonic();
    let answeredAt = 0;
    let first = true;
    const call = guard.read(context(), () => {
      if (!first) {
        answeredAt = clock.monotonic();
        return Promise.resolve('ok');
      }
      first = false;
      return failing('ERR_PROVIDER_UNAVAILABLE', 'throttled', 2)();
    });
    await drive(call, clock);
    await expect(call).resolves.toBe('ok');
    expect(answeredAt - startedAt).toBeGreaterThanOrEqual(2000);
  });

  it('fail at once when Retry-After is longer than the remaining time', async () => {
    const { guard } = guardOf({ timeoutMs: 5000 });
    await warm(guard, 10);
    const before = guard.state().attempts;
    const error = await outcome(
      guard.read(context(), failing('ERR_PROVIDER_UNAVAILABLE', 'throttled', 30)),
    );
    expect(error.retryAfterSeconds).toBe(30);
    expect(guard.state().attempts - before).toBe(1);
  });

  it('add at most a tenth to the calls of a failing backend', async () => {
    const { guard, clock } = guardOf({ failuresToOpen: 100, maxRetries: 5 });
    let attempts = 0;
    for (let call = 0; call < 100; call += 1) {
      const read = guard.read(context(), () => {
        attempts += 1;
        return failing('ERR_PROVIDER_UNAVAILABLE', 'throttled')();
      });
      await drive(read, clock);
      await outcome(read);
    }
    expect(attempts).toBeGreaterThan(100);
    expect(attempts).toBeLessThanOrEqual(110);
  });

  it('stop their delay when the caller disconnects', async () => {
    const { guard } = guardOf({});
    await warm(guard, 20);
    const caller = new AbortController();
    const call = outcome(
      guard.read(context(caller.signal), failing('ERR_PROVIDER_UNAVAILABLE', 'throttled', 3)),
    );
    await settle();
    const { attempts } = guard.state();
    caller.abort();
    expect((await call).reason).toBe('cancelled');
    await settle();
    expect(guard.state().attempts).toBe(attempts);
  });
});

describe('a failure', () => {
  it('names the connection, whatever refused the call', async () => {
    const { guard } = guardOf({ failuresToOpen: 1, maxRetries: 0 });
    for (const work of [() => Promise.reject(new Error('bug')), failing('ERR_PROVIDER_FAILED')])
      expect((await outcome(guard.read(context(), work))).peer).toEqual({ connection: 'backend' });
    const refused = await outcome(guard.effect(context(), () => Promise.resolve()));
    expect(refused).toMatchObject({ reason: 'circuit_open', peer: { connection: 'backend' } });
  });
});
