import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import type { Agent } from 'node:https';
import { BrokerError } from '../../domain/errors.ts';
import { socketFailure } from '../socket-failure.ts';

export interface HttpsRequest {
  readonly url: URL;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | undefined;
  readonly agent: Agent;
  readonly signal: AbortSignal;
}

/**
 * Sends one request and resolves at the head of the answer, whatever its status. Redirects are not followed, compressed answers not asked for.
 * @throws ERR_PROVIDER_TIMEOUT once the signal fires, ERR_PROVIDER_UNAVAILABLE when there is no connection or TLS is not as it must be.
 */
export function openHttps(sent: HttpsRequest): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const fail = (cause: unknown): void => reject(transportError(cause, sent.signal));
  if (sent.signal.aborted) {
    fail(sent.signal.reason);
    return promise;
  }
  const outgoing = request(sent.url, {
    method: sent.method,
    agent: sent.agent,
    signal: sent.signal,
    rejectUnauthorized: true,
    headers: sent.headers,
  });
  outgoing.once('response', resolve);
  outgoing.on('error', fail);
  outgoing.end(sent.body);
  return promise;
}

/** An error of socket, TLS or stream as the caller may see it. */
export function transportError(cause: unknown, signal: AbortSignal): BrokerError {
  if (cause instanceof BrokerError) return cause;
  const code = signal.aborted ? 'ERR_PROVIDER_TIMEOUT' : 'ERR_PROVIDER_UNAVAILABLE';
  return new BrokerError(code, undefined, { cause: socketFailure(cause) });
}
