import type { Caller } from '../broker/call.ts';
import { refuseRequest } from '../broker/recording/refusals.ts';
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
    const call = exchange.described();
    await refuseRequest(surroundings.parts, { call, caller: more.caller }, error);
  } catch (failure) {
    error = BrokerError.from(failure);
  }
  answerError(surroundings, exchange, error, more.headers);
}
