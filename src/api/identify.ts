import { authenticate, authenticateFromMemory } from '../broker/authenticate.ts';
import type { Caller } from '../broker/call.ts';
import { LiveSession } from '../broker/state/sessions.ts';
import { BrokerError } from '../domain/errors.ts';
import type { Operation } from './access.ts';
import { findBearer, readBearer } from './bearer.ts';
import type { Exchange } from './exchange.ts';
import type { Surroundings } from './surroundings.ts';

/** Who calls; undefined where nobody needs to say. @throws ERR_UNAUTHENTICATED, ERR_RATE_LIMITED */
export async function identify(
  surroundings: Surroundings,
  exchange: Exchange,
  operation: Operation,
): Promise<Caller | undefined> {
  const { parts, rates } = surroundings;
  if (operation.who === 'public') {
    if (operation.weight > 0) rates.takeFromAddress(exchange.address, operation.weight);
    return undefined;
  }
  const token = findBearer(exchange.request);
  const known = token === undefined ? undefined : authenticateFromMemory(parts, token);
  return known ?? identifyStranger(surroundings, exchange);
}

/** @throws ERR_DENIED to a workload that asks for an operator's operation, and the other way round; ERR_RATE_LIMITED */
export function admit({ rates }: Surroundings, caller: Caller, operation: Operation): void {
  const kind = caller instanceof LiveSession ? 'workload' : 'operator';
  if (operation.who !== 'caller' && operation.who !== kind) {
    throw new BrokerError('ERR_DENIED', undefined, { reason: `${operation.who}_only` });
  }
  rates.takeFromCaller(caller, operation.weight);
}

async function identifyStranger(
  { parts, rates }: Surroundings,
  exchange: Exchange,
): Promise<Caller> {
  rates.takeFromAddress(exchange.address, 1);
  try {
    return await authenticate(parts, exchange, readBearer(exchange.request));
  } catch (error) {
    if (error instanceof BrokerError && error.kind === 'unauthenticated') {
      rates.failed(exchange.address);
    }
    throw error;
  }
}
