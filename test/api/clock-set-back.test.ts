import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { systemClock } from '../../src/process/clock.ts';
import type { Clock } from '../../src/ports/clock.ts';
import { RunningApi } from '../kit/api/running-api.ts';

const MINUTE = 60_000;

/** The system's timers, with a wall clock and a monotonic clock that a test moves. */
class MovedClock implements Clock {
  #wall = 0;
  #monotonic = 0;

  now(): number {
    return systemClock.now() + this.#wall;
  }

  monotonic(): number {
    return systemClock.monotonic() + this.#monotonic;
  }

  after(ms: number, work: () => void): () => void {
    return systemClock.after(ms, work);
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return systemClock.sleep(ms, signal);
  }

  pass(ms: number): void {
    this.#wall += ms;
    this.#monotonic += ms;
  }

  set(ms: number): void {
    this.#wall += ms;
  }
}

let clock: MovedClock;
let api: RunningApi;

beforeEach(async () => {
  clock = new MovedClock();
  api = await RunningApi.start({ clock });
  await api.seed();
});
afterEach(() => api.stop());

const statusOf = async (path: string, token: string) =>
  (await api.call('GET', `/api/v1/${path}`, { token })).status;

describe('a system clock that is set back', () => {
  it('does not extend a session (ED11)', async () => {
    const token = await api.logIn();
    const live = await api.broker.parts.sessions.find(token);
    const left = live!.session.endsAt - clock.now();
    clock.set(-24 * 60 * MINUTE);
    clock.pass(left - MINUTE);
    expect(await statusOf('sessions/self', token)).toBe(200);
    clock.pass(2 * MINUTE);
    expect(await statusOf('sessions/self', token)).toBe(401);
  });

  it('does not extend an operator token or reactivate an expired one (ED11)', async () => {
    const token = await api.operator('ann', [{ role: 'auditor' }]);
    clock.set(-24 * 60 * MINUTE);
    clock.pass(61 * MINUTE);
    expect(await statusOf('operator-tokens/self', token)).toBe(401);
    clock.set(-24 * 60 * MINUTE);
    expect(await statusOf('operator-tokens/self', token)).toBe(401);
  });
});

describe('a system clock that jumps ahead for ten seconds', () => {
  const DAY = 24 * 60 * MINUTE;
  const jump = async (): Promise<void> => {
    clock.set(DAY);
    expect((await api.call('GET', '/readyz')).status).toBe(200);
    clock.pass(10_000);
    clock.set(-DAY);
  };
  const login = () =>
    api.call('POST', '/api/v1/sessions', {
      // The issuer is right about the time.
      body: {
        cluster: 'c1',
        token: api.serviceAccountToken({ issuedAt: Math.floor(clock.now() / 1000) }),
      },
    });

  it('is a warning, and logins work again after two minutes for no longer than the token (ED11)', async () => {
    const before = await api.logIn();
    await jump();
    const warned = await api.call('GET', '/readyz');
    expect(warned.body).toMatchObject({ warnings: expect.arrayContaining(['clock_ahead']) });
    expect((await login()).status).toBe(401);
    clock.pass(2 * MINUTE);
    const opened = await login();
    expect(opened.status).toBe(201);
    const { token } = opened.body as { readonly token: string };
    expect(await statusOf('sessions/self', token)).toBe(200);
    // The broker counts on from its own time: what expired in the jump stays expired.
    expect(await statusOf('sessions/self', before)).toBe(401);
    const live = await api.broker.parts.sessions.find(token);
    const left = live!.session.endsAt - api.broker.parts.clock.now();
    expect(left).toBeLessThanOrEqual(60 * MINUTE);
    clock.pass(left + MINUTE);
    expect(await statusOf('sessions/self', token)).toBe(401);
  });
});
