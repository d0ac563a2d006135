import type { EventFeed } from '../broker/follow-events.ts';
import { BrokerError } from '../domain/errors.ts';
import { errorResponse } from './error-response.ts';
import { sendEvents } from './event-response.ts';
import type { Exchange } from './exchange.ts';
import type { Surroundings } from './surroundings.ts';

/** What a use case answers over HTTP. `headers` are names and values in turn. */
export interface Answer {
  readonly status: number;
  readonly headers?: readonly string[];
  /** Rendered already, or an object for JSON; undefined for 204. */
  readonly body?: string | Buffer | object | undefined;
  /** Instead of a body: what follows the head for as long as both ends stay. */
  readonly feed?: EventFeed;
}

export const JSON_TYPE = ['Content-Type', 'application/json'] as const;

export function answer(exchange: Exchange, { status, headers, body, feed }: Answer): void {
  if (feed !== undefined) {
    sendEvents(exchange.open(status, headers ?? []), feed);
    return;
  }
  const isRendered = typeof body === 'string' || Buffer.isBuffer(body);
  const bytes = isRendered ? body : body === undefined ? '' : JSON.stringify(body);
  const type = body === undefined || isRendered ? [] : JSON_TYPE;
  exchange.send(status, [...type, ...(headers ?? [])], bytes);
}

/** Tells the caller what its code says, and the log why. */
export function answerError(
  { log }: Surroundings,
  exchange: Exchange,
  thrown: unknown,
  headers: readonly string[] = [],
): void {
  const error = BrokerError.from(thrown);
  log.failed(exchange, error);
  const problem = errorResponse(error, exchange.requestId);
  exchange.send(problem.status, [...problem.headers, ...headers], problem.body);
}
