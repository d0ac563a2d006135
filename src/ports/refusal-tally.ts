import type { AuditAction, EncodedActor } from '../domain/audit-event.ts';
import type { ErrorCode } from '../domain/errors.ts';

/** A refusal as it is counted. */
export interface Refused {
  /** Whom it is counted for: the identity of a caller, or the network of a stranger. */
  readonly holder: string;
  /** Refusals of a holder that are the same in this are counted together. */
  readonly kind: string;
  readonly outcome: 'deny' | 'error';
  /** The action that was refused, and why; as far as all refusals of the kind have the same. */
  readonly action?: AuditAction | undefined;
  readonly code?: ErrorCode | undefined;
  readonly reason?: string | undefined;
  readonly path?: string | undefined;
  readonly network?: string | undefined;
  readonly actor?: EncodedActor | undefined;
  /** The actor less what tells the pods and sessions of one holder apart. */
  readonly sharedActor?: () => EncodedActor;
}

/** Decides which refusals are entries of their own; counts the others into summaries. */
export interface RefusalTally {
  /** Whether this one is an entry. */
  admit(refused: Refused): boolean;
}
