import type { Clock } from './clock.ts';

/**
 * Aborts the broker's own work after `ms`; no caller's deadline bounds such work. The signal is also aborted when `work` returns. The abort reason
 * has the name that `AbortSignal.timeout` uses. `AbortSignal.timeout` itself would not follow the injected clock.
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
