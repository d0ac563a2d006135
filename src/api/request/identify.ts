import type { IncomingMessage } from 'node:http';
import {
  authenticate,
  authenticateSender,
  isStanding,
  readSealNotice,
  sessionInMemory,
} from '../../broker/access/authenticate.ts';
import { holderOf, type Caller } from '../../broker/access/call.ts';
import { whenReady, type Eventually } from '../../broker/kernel/eventually.ts';
import type { Access, Keys } from '../../broker/state/dependencies.ts';
import { LiveSession } from '../../broker/state/session-memory.ts';
import type { Seal } from '../../broker/state/seal-notice.ts';
import type { ShownProof } from '../../broker/access/shown-proof.ts';
import { keepAlive } from '../../broker/sessions/people.ts';
import { spendProof } from '../../broker/access/check-proof.ts';
import { BrokerError } from '../../domain/errors.ts';
import type { Operation } from '../contract/access.ts';
import { findBearer, findSenderToken, readBearer } from './bearer.ts';
import { isRepeated } from './check-request.ts';
import type { Exchange } from './exchange.ts';
import type { Surroundings } from './request-deps.ts';

/** Reason of a refused proof whose check costs a signature verification; the only one. */
const FORGED = 'dpop_signature';

/** The caller, and the facts that the request proved. */
export interface Identity {
  /** Caller; undefined if the operation needs none. */
  readonly caller: Caller | undefined;
  /** `jti` of the proof, for a session that is bound to a key. */
  readonly proofId?: string;
  /** The token of the request; '' if the operation needs none. */
  readonly token: string;
}

/**
 * Identifies the caller and charges the weight of the operation to its rate. If the route identifies its sender itself, it is charged there: a proven source of
 * alerts has a rate of its own, and all its alerts come from one address. @throws ERR_UNAUTHENTICATED, ERR_RATE_LIMITED
 */
export function identify(
  surroundings: Surroundings,
  exchange: Exchange,
  operation: Operation,
  admits = false,
): Eventually<Identity> {
  const { parts, rates } = surroundings;
  if (operation.who === 'public') {
    if (operation.weight > 0 && !admits) rates.takeFromNetwork(exchange.network, operation.weight);
    return { caller: undefined, token: '' };
  }
  const senderToken = findSenderToken(exchange.request);
  if (senderToken !== undefined) {
    return identifySender(surroundings, exchange, { token: senderToken, operation });
  }
  const token = findBearer(exchange.request) ?? '';
  const known = unboundSession(parts, exchange, token);
  return whenReady(known ?? identifyStranger(surroundings, exchange), (caller) => {
    rates.takeFromCaller(caller, operation.weight);
    return { caller, token };
  });
}

/**
 * The session of a bearer token if it is in memory and bound to no key. A connection keeps the session of its last token, because the keyed
 * hash of a token costs as much as decrypting a value.
 */
function unboundSession(
  parts: Access & Pick<Keys, 'keyring'>,
  { request, peer }: Exchange,
  token: string,
): LiveSession | undefined {
  const { authorization } = request.headers;
  if (token === '' || authorization === undefined) return undefined;
  const last = peer.session;
  if (last?.authorization === authorization && isStanding(parts, last.live)) return last.live;
  const live = sessionInMemory(parts, token);
  const isUnbound = live !== undefined && live.session.senderKey === undefined;
  peer.session = isUnbound ? { authorization, live } : undefined;
  return isUnbound ? live : undefined;
}

/** @throws ERR_DENIED to a workload that calls an operation for operators, and to an operator that calls one for workloads. */
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
    const caller = await authenticate(parts, exchange, readBearer(exchange.request));
    if (!(caller instanceof LiveSession)) await keepAlive(parts, caller);
    return caller;
  } catch (error) {
    if (isRefused(error)) rates.failed(exchange.network);
    throw error;
  }
}

/**
 * A session in memory is not charged to the rate of its network, but a failed proof is. Otherwise a stolen token could send more requests,
 * or make the broker verify many signatures.
 */
async function identifySender(
  { parts, rates, schemes }: Surroundings,
  exchange: Exchange,
  { token, operation }: { readonly token: string; readonly operation: Operation },
): Promise<Identity> {
  const { request, network } = exchange;
  const known = sessionInMemory(parts, token);
  if (known === undefined) rates.takeFromNetwork(network, 1);
  else rates.admitProof(known.session.id, network);
  try {
    const shown = shownProof(request, schemes);
    const presented = { token, known };
    const { live, proofId } = await authenticateSender(parts, exchange, presented, shown);
    rates.takeFromCaller(live, operation.weight);
    spendProof(parts, holderOf(live), proofId);
    if (!(live instanceof LiveSession)) await keepAlive(parts, live);
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

/** Returns the seal, if the request has the token of an operator that this process knew before. */
export function findSealNotice(
  { parts, schemes }: Surroundings,
  exchange: Exchange,
): Seal | undefined {
  const { request } = exchange;
  const bearer = findBearer(request);
  if (bearer !== undefined) return readSealNotice(parts, exchange, bearer, undefined);
  const token = findSenderToken(request);
  if (token === undefined) return undefined;
  return readSealNotice(parts, exchange, token, shownProof(request, schemes));
}

function isRefused(error: unknown): error is BrokerError {
  return error instanceof BrokerError && error.kind === 'unauthenticated';
}

/** The proof of a request, with the facts it must cover. `schemes` are those by which clients may reach the listener. */
export function shownProof(request: IncomingMessage, schemes: readonly string[]): ShownProof {
  const { headers, rawHeaders, method = '', url = '' } = request;
  const text = headers['dpop'];
  const [path = ''] = url.split('?', 1);
  return {
    text: text === undefined ? undefined : String(text),
    isRepeated: isRepeated(rawHeaders, 'dpop'),
    method,
    schemes,
    host: headers.host ?? '',
    path,
  };
}
