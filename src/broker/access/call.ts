import type { EncodedClient } from '../../domain/audit/audit-event.ts';
import type { CallContext } from '../../ports/call-context.ts';
import type { SenderKey } from '../../domain/identity/sender-key.ts';
import type { LiveOperator } from '../state/operator-token-memory.ts';
import type { Holder } from '../state/proof-memory.ts';
import { LiveSession } from '../state/session-memory.ts';

/** Request as the use cases see it. */
export interface Call {
  readonly requestId: string;
  /** The address of the peer, or the address that a trusted proxy reports. */
  readonly address: string;
  /** The counting key of a caller without a known identity: an IPv4 address, or the /64 of an IPv6 address. */
  readonly network: string;
  /** The counting key of the call: the identity of the caller once it is known, otherwise the network. */
  readonly holder: string;
  readonly client: EncodedClient;
  /** Client of the request for the audit entry of a refusal: every text that the client chose is truncated. */
  readonly refusedClient: EncodedClient;
  /** Creates the context of calls that leave the process; its signal aborts when the caller disconnects. */
  context(): CallContext;
  /** Takes milliseconds of processor time that the call cost beyond its weight; they are charged to the caller after the answer. */
  spend(ms: number): void;
}

/** An identified caller. */
export type Caller = LiveSession | LiveOperator;

/** The counting key of a caller: all sessions of a workload share one; each operator token has its own. */
export function identityOf(caller: Caller): string {
  return caller instanceof LiveSession ? caller.workloadId : caller.operator.tokenId;
}

/** The holder of the proofs of a caller: a session, and the workload or person that it belongs to. */
export function holderOf(caller: Caller): Holder {
  if (caller instanceof LiveSession) return { id: caller.session.id, owner: caller.workloadId };
  const { tokenId, name } = caller.operator;
  return { id: tokenId, owner: name };
}

/** The key that a caller's session is bound to. */
export function senderKeyOf(caller: Caller): SenderKey | undefined {
  return caller instanceof LiveSession ? caller.session.senderKey : caller.senderKey;
}

/** The time at which the authority of the caller expires: no plan commits at or after it. */
export function authorityEnd(caller: Caller): number {
  return caller instanceof LiveSession ? caller.session.endsAt : caller.operator.endsAt;
}
