import type { Caller } from '../broker/call.ts';
import { entryOf } from '../broker/record.ts';
import { refuseRequest } from '../broker/refusals.ts';
import { BrokerError } from '../domain/errors.ts';
import { answerError } from './answers.ts';
import type { Exchange } from './exchange.ts';
import type { Surroundings } from './surroundings.ts';

/** Records a request that no use case saw, then refuses it; where it cannot be recorded, that is the answer. */
export async function refuse(
  surroundings: Surroundings,
  exchange: Exchange,
  thrown: unknown,
  more: { readonly caller?: Caller | undefined; readonly headers?: readonly string[] } = {},
): Promise<void> {
  let error = BrokerError.from(thrown);
  try {
    await record(surroundings, exchange, error, more.caller);
  } catch (failure) {
    error = BrokerError.from(failure);
  }
  answerError(surroundings, exchange, error, more.headers);
}

/** Under the caller's name once it is known; too many requests are counted, not listed, whoever makes them. */
async function record(
  { parts }: Surroundings,
  exchange: Exchange,
  error: BrokerError,
  caller: Caller | undefined,
): Promise<void> {
  const call = exchange.described();
  if (caller === undefined || error.code === 'ERR_RATE_LIMITED') {
    await refuseRequest(parts, call, error);
    return;
  }
  const { code, reason, kind } = error;
  const outcome = kind === 'internal' ? 'error' : 'deny';
  const entry = entryOf(parts, call, caller, { action: 'request.refused', outcome, code, reason });
  await parts.store.commit({ entries: [entry] });
}
