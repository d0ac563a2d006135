import {
  authenticate,
  authenticateFromMemory,
  authenticateSender,
  sessionInMemory,
} from '../broker/sessions/authenticate.ts';
import type { Caller } from '../broker/call.ts';
import { LiveSession } from '../broker/sessions/session-memory.ts';
import { spendProof } from '../broker/sessions/proof/check-proof.ts';
import { BrokerError } from '../domain/errors.ts';
import type { Operation } from './access.ts';
import { findBearer, findSenderToken, readBearer } from './bearer.ts';
import type { Exchange } from './exchange.ts';
import { shownProof } from './shown-proof.ts';
import type { Surroundings } from './surroundings.ts';

/** The one proof whose refusal costs a verification. */
const FORGED = 'dpop_signature';

/** Who calls, and what the request proved. */
export interface Identity {
  /** Undefined where nobody needs to say. */
  readonly caller: Caller | undefined;
  /** `jti` of the proof, of a session that is bound to a key. */
  readonly proofId?: string;
  /** The token that was shown; '' where none is asked for. */
  readonly token: string;
}

/** Takes what the operation weighs from whoever asks. @throws ERR_UNAUTHENTICATED, ERR_RATE_LIMITED */
export async function identify(
  surroundings: Surroundings,
  exchange: Exchange,
  operation: Operation,
): Promise<Identity> {
  const { parts, rates } = surroundings;
  if (operation.who === 'public') {
    if (operation.weight > 0) rates.takeFromNetwork(exchange.network, operation.weight);
    return { caller: undefined, token: '' };
  }
  const senderToken = findSenderToken(exchange.request);
  if (senderToken !== undefined) {
    return identifySender(surroundings, exchange, { token: senderToken, operation });
  }
  const token = findBearer(exchange.request) ?? '';
  const known = token === '' ? undefined : authenticateFromMemory(parts, token);
  const caller = known ?? (await identifyStranger(surroundings, exchange));
  rates.takeFromCaller(caller, operation.weight);
  return { caller, token };
}

/** @throws ERR_DENIED to a workload that asks for an operator's operation, and the other way round. */
export function admit(caller: Caller, operation: Operation): void {
  const kind = caller instanceof LiveSession ? 'workload' : 'operator';
  if (operation.who !== 'caller' && operation.who !== kind) {
    throw new BrokerError('ERR_DENIED', undefined, { reason: `${operation.who}_only` });
  }
}

async function identifyStranger(
  { parts, rates }: Surroundings,
  exchange: Exchange,
): Promise<Caller> {
  rates.takeFromNetwork(exchange.network, 1);
  try {
    return await authenticate(parts, exchange, readBearer(exchange.request));
  } catch (error) {
    if (isRefused(error)) rates.failed(exchange.network);
    throw error;
  }
}

/**
 * A session that is known is not asked what its network may take, but a proof that fails is: a stolen token is no way to ask for more, nor
 * to have many signatures looked at.
 */
async function identifySender(
  { parts, rates, schemes }: Surroundings,
  { request, network }: Exchange,
  { token, operation }: { readonly token: string; readonly operation: Operation },
): Promise<Identity> {
  const known = sessionInMemory(parts, token);
  if (known === undefined) rates.takeFromNetwork(network, 1);
  else rates.admitProof(known.session.id, network);
  try {
    const shown = shownProof(request, schemes);
    const { live, proofId } = await authenticateSender(parts, { token, known }, shown);
    rates.takeFromCaller(live, operation.weight);
    spendProof(parts, live.session, proofId);
    return { caller: live, proofId, token };
  } catch (error) {
    if (isRefused(error)) {
      if (known !== undefined && error.reason === FORGED) rates.forged(known.session.id, network);
      if (known !== undefined) rates.takeFromNetwork(network, 1);
      rates.failed(network);
    }
    throw error;
  }
}

function isRefused(error: unknown): error is BrokerError {
  return error instanceof BrokerError && error.kind === 'unauthenticated';
}
