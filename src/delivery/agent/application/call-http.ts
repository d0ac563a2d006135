import type { Clock } from '../../../ports/clock.ts';
import type { HttpAction } from '../../settings/actions.ts';
import { httpStatus, isSuccess } from '../http-status.ts';

/**
 * Calls the application; every 2xx is a success.
 * @param ended aborts when the agent waits no longer. @returns why it failed, as a code; undefined on success
 */
export async function callHttp(
  { url, method, timeoutMs }: Pick<HttpAction, 'url' | 'method' | 'timeoutMs'>,
  clock: Clock,
  ended: AbortSignal,
): Promise<string | undefined> {
  const timeout = new AbortController();
  const cancel = clock.after(timeoutMs, () => timeout.abort());
  try {
    const signal = AbortSignal.any([ended, timeout.signal]);
    const status = await httpStatus({ method, url: new URL(url) }, signal);
    return isSuccess(status) ? undefined : `http_${status}`;
  } catch {
    if (ended.aborted) return 'agent_ended';
    return timeout.signal.aborted ? 'http_timeout' : 'http_no_answer';
  } finally {
    cancel();
  }
}
