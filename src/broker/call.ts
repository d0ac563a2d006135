import type { EncodedClient } from '../domain/audit-event.ts';
import type { CallContext } from '../ports/call-context.ts';
import type { LiveOperator } from './sessions/operator-token-memory.ts';
import { LiveSession } from './sessions/session-memory.ts';

/** One request as the broker sees it. */
export interface Call {
  readonly requestId: string;
  /** The peer, or what a trusted proxy says. */
  readonly address: string;
  /** What a caller without a known identity is counted by: an IPv4 address, or the /64 of an IPv6 address. */
  readonly network: string;
  /** Who is counted for the call: the identity of the caller once it is known, else the network. */
  readonly holder: string;
  readonly client: EncodedClient;
  /** As `client`, for the entry of a refusal: every text that the client chose is cut short. */
  readonly refusedClient: EncodedClient;
  /** Made when something leaves the process: aborts when the caller goes away. */
  context(): CallContext;
}

/** Who makes a call, once known. */
export type Caller = LiveSession | LiveOperator;

/** What is counted for one caller: all sessions of a workload are one; of an operator, each token is. */
export function identityOf(caller: Caller): string {
  return caller instanceof LiveSession ? caller.workloadId : caller.operator.tokenId;
}

/** When the authority of the caller ends: no plan commits at or after it. */
export function authorityEnd(caller: Caller): number {
  return caller instanceof LiveSession ? caller.session.endsAt : caller.operator.endsAt;
}
