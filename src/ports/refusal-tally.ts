import type { AuditAction, EncodedActor } from '../domain/audit/audit-event.ts';
import type { ErrorCode } from '../domain/errors.ts';

/** A refusal, with the fields that its count depends on. */
export interface Refused {
  /** The party that the refusal counts against: the identity of a caller, or the network of an unauthenticated client. */
  readonly holder: string;
  /** The tally counts refusals of one holder together if they have the same kind. */
  readonly kind: string;
  readonly outcome: 'deny' | 'error';
  /** The refused action and the reason, if all refusals of this kind share them. */
  readonly action?: AuditAction | undefined;
  readonly code?: ErrorCode | undefined;
  readonly reason?: string | undefined;
  readonly path?: string | undefined;
  readonly network?: string | undefined;
  readonly actor?: EncodedActor | undefined;
  /** The actor without the fields that distinguish the pods and sessions of one holder. */
  readonly sharedActor?: () => EncodedActor;
}

/** Counts every refusal for the metrics, whether or not it has an audit entry. */
export interface RefusalCounts {
  count(action: AuditAction, code: ErrorCode, reason: string | undefined): void;
}

/** Decides which refusals get their own audit entry, and counts the others into summaries. */
export interface RefusalTally {
  /** Returns whether this refusal gets its own entry. */
  admit(refused: Refused): boolean;
}
