import type { SecretData } from '../../domain/secret.ts';
import type { TargetVerdict } from '../../ports/rotation-target.ts';

/** A kind of value that is made here and nowhere else. */
export interface MadeValue {
  /** How long it is good for; absent: for ever. */
  readonly lifetimeSeconds?: number;
  /** Of the keys that it owns, those that are secret. */
  readonly secrets: readonly string[];
  /** The keys that it owns, anew. */
  make(): Promise<SecretData>;
  /** Whether `data` holds such a value. */
  verdict(data: SecretData): Promise<TargetVerdict> | TargetVerdict;
}
