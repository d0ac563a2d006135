import type { Clock } from '../../../ports/clock.ts';
import type { HttpAction } from '../../settings/actions.ts';

/**
 * One request without a body; redirects are not followed and the answer's body is not read. Any 2xx will do.
 * @param over says that the agent waits no longer. @returns why it failed, in a word; undefined when it did not.
 */
export async function callHttp(
  { url, method, timeoutMs }: Pick<HttpAction, 'url' | 'method' | 'timeoutMs'>,
  clock: Clock,
  over: AbortSignal,
): Promise<string | undefined> {
  const { request } = url.startsWith('https:')
    ? await import('node:https')
    : await import('node:http');
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  const call = request(url, { method, agent: false, headers: { 'content-length': '0' } });
  const cancel = clock.after(timeoutMs, () => resolve('http_timeout'));
  const giveUp = (): void => resolve('agent_ended');
  over.addEventListener('abort', giveUp);
  call.once('response', ({ statusCode = 0 }) => {
    resolve(statusCode >= 200 && statusCode < 300 ? undefined : `http_${statusCode}`);
  });
  call.once('error', () => resolve('http_no_answer'));
  call.end();
  const reason = await promise;
  cancel();
  over.removeEventListener('abort', giveUp);
  call.destroy();
  return reason;
}
