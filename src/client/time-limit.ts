import type { Clock } from '../ports/clock.ts';
import { UnreachableError } from './errors.ts';

/**
 * Runs `work` with a signal that aborts after the time limit or when the caller aborts; `work` must end soon after.
 * @throws UnreachableError after the time limit, the caller's reason if it aborted, otherwise the error of `work`
 */
export async function withinTime<T>(
  limit: { readonly ms: number; readonly clock: Clock; readonly caller: AbortSignal | undefined },
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const { ms, clock, caller } = limit;
  caller?.throwIfAborted();
  const controller = new AbortController();
  const abort = (): void => controller.abort(caller?.reason);
  caller?.addEventListener('abort', abort, { once: true });
  const cancel = clock.after(ms, () =>
    controller.abort(new UnreachableError('timeout', `no complete response within ${ms / 1000} s`)),
  );
  try {
    return await work(controller.signal);
  } catch (error) {
    // Aborted work fails with an error of its own.
    controller.signal.throwIfAborted();
    throw error;
  } finally {
    cancel();
    caller?.removeEventListener('abort', abort);
  }
}
