import { cidrHolds, parseCidr } from '../../domain/network/cidr.ts';
import { BrokerError } from '../../domain/errors.ts';
import { parseIpAddress } from '../../domain/network/ip-address.ts';
import { isWellFormedToken } from '../../crypto/random/token.ts';
import type { Call, Caller } from './call.ts';
import type { Access, Keys, Recording } from '../state/dependencies.ts';
import { checkRequestProof } from './check-proof.ts';
import { proofRefused } from './proof-refused.ts';
import type { ShownProof } from './shown-proof.ts';
import { ClusterEditor } from './cluster-editor.ts';
import type { LiveOperator } from '../state/operator-token-memory.ts';
import { LiveSession } from '../state/session-memory.ts';
import type { Proofs } from '../state/proof-memory.ts';
import type { Seal } from '../state/seal-notice.ts';

/** The beginning of tokens of operators and of sessions of people. */
const OPERATOR = 'qmo_';

const UNKNOWN = (reason: string): BrokerError =>
  new BrokerError('ERR_UNAUTHENTICATED', undefined, { reason });

/** The valid session of a token, if memory has it, whether or not it is bound to a key. Undefined reveals nothing about the token. */
export function sessionInMemory(
  parts: Access & Pick<Keys, 'keyring'>,
  token: string,
): LiveSession | undefined {
  if (!isWellFormedToken('qms', token) || parts.keyring.isSealed) return undefined;
  const live = parts.sessions.cached(parts.sessions.hash(token));
  return live !== undefined && stands(parts, live) ? live : undefined;
}

type Identifying = Access & Pick<Recording, 'state'>;

/**
 * Identifies the caller by a bearer token. A session that is bound to a key is refused, because a bearer token carries no proof (RFC 9449
 * §7.2).
 * @throws ERR_UNAUTHENTICATED, the same for every cause.
 */
export async function authenticate(parts: Identifying, call: Call, token: string): Promise<Caller> {
  if (token.startsWith(OPERATOR)) {
    const operator = await authenticateOperator(parts, call, token);
    if (operator.senderKey !== undefined) throw proofRefused('dpop_scheme');
    return operator;
  }
  const live = await findSession(parts, token);
  if (live.session.senderKey !== undefined) throw proofRefused('dpop_scheme');
  return live;
}

/** A session whose holder proved possession of its key with this request. */
export interface ProvenSender {
  readonly live: Caller;
  /** The `jti` of the proof, not spent yet; the answer names it. */
  readonly proofId: string;
}

/**
 * Identifies a caller that presents a token with a proof (RFC 9449 §7.1); `known` is the session that memory has for the token.
 * @throws ERR_UNAUTHENTICATED, the same for every cause.
 */
export async function authenticateSender(
  parts: Identifying & Proofs,
  call: Call,
  { token, known }: { readonly token: string; readonly known: LiveSession | undefined },
  shown: ShownProof,
): Promise<ProvenSender> {
  if (token.startsWith(OPERATOR)) {
    const operator = await authenticateOperator(parts, call, token);
    const bound = { id: operator.operator.tokenId, senderKey: operator.senderKey };
    return { live: operator, proofId: checkRequestProof(parts, shown, bound, token) };
  }
  const live = known ?? (await findSession(parts, token));
  return { live, proofId: checkRequestProof(parts, shown, live.session, token) };
}

async function findSession(parts: Identifying, token: string): Promise<LiveSession> {
  const live = await parts.sessions.find(token);
  if (live === undefined) throw UNKNOWN('unknown_session');
  // Another broker may have lifted a quarantine just now.
  if (!stands(parts, live)) await parts.state.catchUp();
  if (!stands(parts, live)) throw UNKNOWN(whyEnded(parts, live));
  return live;
}

/**
 * Reports whether memory follows the session and it is valid. Its content is then current, without a read of the store. The
 * broker's own editor for a cluster has no session that could end.
 */
export function isStanding(
  parts: Pick<Access, 'catalog' | 'clock' | 'quarantines'>,
  caller: Caller,
): boolean {
  if (!(caller instanceof LiveSession)) return caller instanceof ClusterEditor;
  return caller.isFollowed && stands(parts, caller);
}

/**
 * The caller in its current state. Much time may pass between identification and decision: a slow client body, backend calls, repeated
 * decisions. Access that ended in that time ended before the decision, so no fence would detect it.
 * @throws ERR_UNAUTHENTICATED for an ended session or token.
 */
export async function refreshCaller<C extends Caller>(parts: Access, caller: C): Promise<C> {
  if (isStanding(parts, caller)) return caller;
  const now: Caller | undefined =
    caller instanceof LiveSession
      ? await parts.sessions.again(caller)
      : await parts.tokens.again(caller, parts.catalog);
  if (now === undefined || now instanceof LiveSession) {
    if (now !== undefined && stands(parts, now)) return now as C;
    throw UNKNOWN(caller instanceof LiveSession ? whyEnded(parts, now) : 'token_ended');
  }
  requireStanding(parts, now);
  return now as C;
}

/** A session ends when it expires or when its cluster's registration is removed. It is unusable while its pod or workload is in quarantine. */
function stands(
  parts: Pick<Access, 'catalog' | 'clock' | 'quarantines'>,
  live: LiveSession,
): boolean {
  const { session } = live;
  return (
    session.endsAt > parts.clock.now() &&
    parts.catalog.find('cluster', session.workload.cluster)?.uid === session.clusterUid &&
    parts.quarantines.covering(live.identityFences) === undefined
  );
}

/** Gives the reason why a known session is not valid, for the log. */
function whyEnded(parts: Pick<Access, 'quarantines'>, live: LiveSession | undefined): string {
  const isQuarantined =
    live !== undefined && parts.quarantines.covering(live.identityFences) !== undefined;
  return isQuarantined ? 'quarantined' : 'session_ended';
}

async function authenticateOperator(
  parts: Identifying,
  call: Call,
  token: string,
): Promise<LiveOperator> {
  const live = await parts.tokens.find(token, parts.catalog);
  if (live === undefined) throw UNKNOWN('unknown_token');
  if (parts.quarantines.covering(live.fences) !== undefined) await parts.state.catchUp();
  requireStanding(parts, live);
  requireSource(live, call);
  return live;
}

/**
 * Returns the seal of a sealed broker to an operator that this process had accepted before, and undefined to everyone else. The token must still be
 * valid, as far as a broker without keys can know.
 */
export function readSealNotice(
  parts: Pick<Access, 'tokens' | 'clock' | 'quarantines'> & Proofs,
  call: Call,
  token: string,
  shown: ShownProof | undefined,
): Seal | undefined {
  const { sealNotice } = parts.tokens;
  const live = sealNotice.readerOf(token);
  if (live === undefined || live.operator.grants.length === 0) return undefined;
  try {
    requireStanding(parts, live);
    requireSource(live, call);
    const bound = { id: live.operator.tokenId, senderKey: live.senderKey };
    if (shown !== undefined) checkRequestProof(parts, shown, bound, token);
    else if (live.senderKey !== undefined) return undefined;
    return sealNotice.seal;
  } catch {
    return undefined;
  }
}

/** @throws ERR_UNAUTHENTICATED for a token that comes from an address for which it is not valid. */
function requireSource({ operator: { sourceCidrs } }: LiveOperator, call: Call): void {
  if (sourceCidrs.length > 0 && !inCidrs(call.address, sourceCidrs))
    throw UNKNOWN('source_address');
}

/** @throws ERR_UNAUTHENTICATED for an expired token, or one whose operator is in quarantine. */
function requireStanding(parts: Pick<Access, 'clock' | 'quarantines'>, live: LiveOperator): void {
  if (live.operator.endsAt <= parts.clock.now()) throw UNKNOWN('token_ended');
  if (parts.quarantines.covering(live.fences) !== undefined) throw UNKNOWN('quarantined');
}

function inCidrs(address: string, cidrs: readonly string[]): boolean {
  const parsed = parseIpAddress(address);
  if (parsed === undefined) return false;
  return cidrs.some((text) => {
    const cidr = parseCidr(text);
    return cidr !== undefined && cidrHolds(cidr, parsed);
  });
}
