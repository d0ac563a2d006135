import type { IncomingMessage } from 'node:http';
import { authenticateFromMemory, isStanding } from '../broker/sessions/authenticate.ts';
import { readSecret } from '../broker/secrets/read-secrets.ts';
import type { Parts } from '../broker/parts.ts';
import type { LiveSession } from '../broker/sessions/session-memory.ts';
import { BrokerError } from '../domain/errors.ts';
import { isSecretPath } from '../domain/names.ts';
import { answerError, JSON_TYPE } from './answers.ts';
import { findBearer } from './bearer.ts';
import { hasBody } from './body/read-body.ts';
import { checkRequest } from './check-request.ts';
import { disclosureJson } from './disclosure-json.ts';
import type { Exchange } from './exchange.ts';
import type { Surroundings } from './surroundings.ts';

const PREFIX = '/api/v1/secrets/';

/** Whether the target is a secret's path and nothing more: only `readSecret` answers it. */
export function isPlainRead(request: IncomingMessage): boolean {
  return (
    request.method === 'GET' &&
    request.url?.startsWith(PREFIX) === true &&
    isSecretPath(pathOf(request))
  );
}

function pathOf({ url = '' }: IncomingMessage): string {
  return url.slice(PREFIX.length);
}

/**
 * The read that 99 of 100 requests are: one secret, no query, for a session that memory knows. Every check of the ordinary way is
 * made here in one go; whatever does not pass answers false and goes that way, which knows how to refuse.
 */
export function hotRead(surroundings: Surroundings, exchange: Exchange): boolean {
  const { parts, rates, shares } = surroundings;
  const { request } = exchange;
  if (hasBody(request) || !isAcceptable(exchange)) return false;
  const live = sessionOf(parts, exchange);
  if (live === undefined || shares.isFull(live.workloadId)) return false;
  if (rates.of(live).take(1, exchange.startedAt) > 0) return false;
  exchange.identity = live.workloadId;
  exchange.hasRights = true;
  void disclose(surroundings, exchange, live, pathOf(request));
  return true;
}

/**
 * The session whose token the connection showed last, if it shows it again and the session stands: the keyed hash of a token costs as
 * much as decrypting a value.
 */
function sessionOf(parts: Parts, { request, peer }: Exchange): LiveSession | undefined {
  const { authorization } = request.headers;
  const token = findBearer(request);
  if (token === undefined || authorization === undefined) return undefined;
  const known = peer.session;
  if (known?.authorization === authorization && isStanding(parts, known.live)) return known.live;
  const live = authenticateFromMemory(parts, token);
  peer.session = live === undefined ? undefined : { authorization, live };
  return live;
}

function isAcceptable(exchange: Exchange): boolean {
  try {
    checkRequest(exchange);
    return true;
  } catch (error) {
    if (error instanceof BrokerError) return false;
    throw error;
  }
}

async function disclose(
  surroundings: Surroundings,
  exchange: Exchange,
  live: LiveSession,
  path: string,
): Promise<void> {
  try {
    const disclosure = await readSecret(surroundings.parts, exchange, live, { path });
    exchange.send(200, JSON_TYPE, disclosureJson(disclosure));
  } catch (error) {
    answerError(surroundings, exchange, error);
  }
}
