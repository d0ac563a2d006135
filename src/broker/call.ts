import type { EncodedClient } from '../domain/audit-event.ts';
import type { CallContext } from '../ports/call-context.ts';
import type { LiveOperator } from './state/operator-tokens.ts';
import { LiveSession } from './state/sessions.ts';

/** One request as the broker sees it. */
export interface Call {
  readonly requestId: string;
  /** The peer, or what a trusted proxy says. */
  readonly address: string;
  readonly client: EncodedClient;
  /** Made when something leaves the process: aborts when the caller goes away. */
  context(): CallContext;
}

/** Who makes a call, once known. */
export type Caller = LiveSession | LiveOperator;

/** When the authority of the caller ends: no plan commits at or after it. */
export function authorityEnd(caller: Caller): number {
  return caller instanceof LiveSession ? caller.session.endsAt : caller.operator.endsAt;
}
