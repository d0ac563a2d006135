import type { SecretData } from '../../domain/secret.ts';
import type { TargetVerdict } from '../../ports/rotation-target.ts';

/** A kind of value that is made here and nowhere else. */
export interface MadeValue {
  /** The keys that it owns, anew. */
  make(): Promise<SecretData>;
  /** Whether `data` holds such a value. */
  verdict(data: SecretData): Promise<TargetVerdict> | TargetVerdict;
}
