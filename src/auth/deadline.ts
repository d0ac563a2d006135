import type { Clock } from '../ports/clock.ts';

/** Work of our own, which no caller's deadline bounds, is cut off after `ms`. The signal is dead when `work` is over. */
export async function withDeadline<T>(
  clock: Clock,
  ms: number,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  const cancel = clock.after(ms, () => controller.abort(new Error('the deadline passed')));
  try {
    return await work(controller.signal);
  } finally {
    cancel();
    controller.abort();
  }
}
