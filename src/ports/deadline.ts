import type { Clock } from './clock.ts';

/**
 * Work of our own, which no caller's deadline bounds, is cut off after `ms`. The signal is dead when `work` is over; its reason is named as that of
 * `AbortSignal.timeout`, which would not go by our clock.
 */
export async function withDeadline<T>(
  clock: Pick<Clock, 'after'>,
  ms: number,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  const passed = Object.assign(new Error('the deadline passed'), { name: 'TimeoutError' });
  const cancel = clock.after(ms, () => controller.abort(passed));
  try {
    return await work(controller.signal);
  } finally {
    cancel();
    controller.abort();
  }
}
