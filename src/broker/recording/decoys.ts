import { BrokerError } from '../../domain/errors.ts';
import { holdsEverywhere, holdsFor } from '../../domain/identity/principal.ts';
import { isCuttingOff, type Decoy } from '../../domain/secrets/definition.ts';
import type { Write } from '../../ports/store.ts';
import type { Call, Caller } from '../access/call.ts';
import type { Access } from '../state/dependencies.ts';
import type { LiveOperator } from '../state/operator-token-memory.ts';
import type { StoredDocument } from '../model/document.ts';

/** Additions to the commit of the read of a decoy. */
export interface DecoyAlarm {
  readonly write: Write;
  readonly entry: string;
  readonly committed: () => void;
}

/** Raises alarms about reads of decoys. */
export interface Decoys {
  /** The alarm about a read, which commits together with it; undefined if the caller raised one a short time ago. */
  alarm(
    call: Call,
    caller: Caller,
    read: { readonly path: string; readonly decoy: Decoy },
  ): DecoyAlarm | undefined;
}

export interface Alarming {
  readonly decoys: Decoys;
}

/** The decoys of a broker without alerts. It returns no decoy to any caller, because the read would raise no alarm. */
export const WITHOUT_ALARMS: Decoys = {
  alarm() {
    throw new BrokerError('ERR_DENIED', undefined, { reason: 'decoy' });
  },
};

/** Reports whether any editor of the path may have written the decoy, because the rule that only a responder makes one cut off readers came later. */
export function isUnconfirmed(definition: StoredDocument<'definition'>): boolean {
  return isCuttingOff(definition.spec.decoy) && (definition.defaults ?? 0) === 0;
}

/**
 * The decoy of a definition with the power of its writer. An unconfirmed one only raises its alert, unless its last writer is a responder now: a scoped editor
 * must not cut off readers of other teams.
 */
export function decoyOf(
  { catalog }: Pick<Access, 'catalog'>,
  definition: StoredDocument<'definition'> | undefined,
): Decoy | undefined {
  const decoy = definition?.spec.decoy;
  if (decoy === undefined || definition === undefined || !isUnconfirmed(definition)) return decoy;
  const { grants = [] } = catalog.find('operator', definition.updatedBy)?.spec ?? {};
  return holdsEverywhere({ grants }, 'responder') ? decoy : { ...decoy, action: 'audit' };
}

/**
 * Reports whether the path is a decoy and the operator may know it: it may edit the definition or answer alerts. No other caller
 * can tell a decoy from a secret.
 */
export function isKnownDecoy(
  { catalog }: Pick<Access, 'catalog'>,
  { operator }: LiveOperator,
  path: string,
): boolean {
  return (
    catalog.find('definition', path)?.spec.decoy !== undefined &&
    (holdsFor(operator, 'secret-editor', path) || holdsEverywhere(operator, 'responder'))
  );
}
