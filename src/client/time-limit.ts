import type { Clock } from '../ports/clock.ts';
import { UnreachableError } from './errors.ts';

/**
 * Runs `work` with a signal that fires when its time is over or its caller gives up. It must end soon after.
 * @throws UnreachableError when the time was over, the caller's reason when it gave up, else what `work` throws
 */
export async function withinTime<T>(
  limit: { readonly ms: number; readonly clock: Clock; readonly caller: AbortSignal | undefined },
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const { ms, clock, caller } = limit;
  caller?.throwIfAborted();
  const controller = new AbortController();
  const giveUp = (): void => controller.abort(caller?.reason);
  caller?.addEventListener('abort', giveUp, { once: true });
  const cancel = clock.after(ms, () =>
    controller.abort(new UnreachableError('timeout', `no whole answer within ${ms / 1000} s`)),
  );
  try {
    return await work(controller.signal);
  } catch (error) {
    // What was aborted fails with an error of its own making.
    controller.signal.throwIfAborted();
    throw error;
  } finally {
    cancel();
    caller?.removeEventListener('abort', giveUp);
  }
}
