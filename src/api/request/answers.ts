import type { Caller } from '../../broker/access/call.ts';
import { whenReady, type Eventually } from '../../broker/kernel/eventually.ts';
import { deliver } from '../../broker/secrets/encrypt-for-session.ts';
import { refuseRequest } from '../../broker/recording/refusals.ts';
import { ByteText } from '../../domain/words/byte-text.ts';
import { BrokerError } from '../../domain/errors.ts';
import { challengeOf } from './bearer.ts';
import { sendEvents, type EventFeed } from '../answer/event-answer.ts';
import type { Exchange } from './exchange.ts';
import type { Surroundings } from './request-deps.ts';

/** The HTTP answer of a use case. `headers` are names and values in turn. */
export interface Answer<Body extends object = object> {
  readonly status: number;
  readonly headers?: readonly string[];
  /** Replaces `no-store`, for an answer that is the same for everyone. */
  readonly cacheControl?: string;
  /** Body: rendered text or bytes, or an object for JSON; undefined for 204. */
  readonly body?: string | Buffer | ByteText | Body | undefined;
  /** Replaces the body: JSON that contains secret values. A bound session gets it encrypted to its key. */
  readonly values?: ByteText;
  /** Replaces the body: an event stream that runs until one of the two ends closes it. */
  readonly feed?: EventFeed;
}

export const JSON_TYPE = ['Content-Type', 'application/json'] as const;
export const PLAIN_TEXT = ['Content-Type', 'text/plain; charset=utf-8'] as const;
const JOSE_TYPE = ['Content-Type', 'application/jose'] as const;

/** The answer in the form that this caller gets. Only this function turns values into a body. */
export function delivered(
  made: Answer,
  caller: Caller | undefined,
  proofId: string | undefined,
): Eventually<Answer> {
  const { status, values } = made;
  if (values === undefined) return made;
  return whenReady(deliver(values, caller, proofId), (delivery) =>
    'jwe' in delivery
      ? { status, headers: JOSE_TYPE, body: delivery.jwe }
      : { status, headers: JSON_TYPE, body: delivery.json },
  );
}

export function answer(
  { shares }: Surroundings,
  exchange: Exchange,
  { status, headers, body, feed, cacheControl }: Answer,
): void {
  if (feed !== undefined) {
    const { holder } = exchange;
    sendEvents(exchange.open(status, headers ?? []), feed, {
      kept: shares.answersOf(exchange),
      holder,
    });
    return;
  }
  const isRendered = typeof body === 'string' || Buffer.isBuffer(body) || body instanceof ByteText;
  const bytes = isRendered ? body : body === undefined ? '' : JSON.stringify(body);
  const type = body === undefined || isRendered ? [] : JSON_TYPE;
  exchange.send(status, [...type, ...(headers ?? [])], bytes, cacheControl);
}

/** Answers with the problem details of the error's code, and logs the reason. */
export function answerError(
  { log, rates, face }: Surroundings,
  exchange: Exchange,
  thrown: unknown,
  headers: readonly string[] = [],
): void {
  const { identity } = exchange;
  const failure = BrokerError.from(thrown);
  const error = identity === undefined ? failure : rates.answered(identity, failure);
  log.failed(exchange, error);
  const problem = face.errorAnswer(
    error,
    exchange.requestId,
    challengeOf(exchange.request, error.challenge),
  );
  exchange.send(problem.status, [...problem.headers, ...headers], problem.body);
}

/** Records a request that no use case recorded, then refuses it. If the record fails, the answer is that failure. */
export async function refuse(
  surroundings: Surroundings,
  exchange: Exchange,
  thrown: unknown,
  more: { readonly caller?: Caller | undefined; readonly headers?: readonly string[] } = {},
): Promise<void> {
  let error = BrokerError.from(thrown);
  try {
    const call = exchange.described();
    await refuseRequest(surroundings.parts, { call, caller: more.caller }, error);
  } catch (failure) {
    error = BrokerError.from(failure);
  }
  answerError(surroundings, exchange, error, more.headers);
}
