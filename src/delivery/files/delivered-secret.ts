import type { SecretData } from '../../domain/secrets/secret.ts';
import type { Sensitive } from '../../domain/secrets/sensitive.ts';

/** The current value of one secret. */
export interface DeliveredSecret {
  /** Templates, `exec` and the local API refer to it by this name. */
  readonly name: string;
  readonly path: string;
  /** Version as the provider names it; opaque. */
  readonly version: string;
  readonly data: Sensitive<SecretData>;
  readonly leaseId: string | undefined;
  /** End of the lease by this machine's clock: milliseconds since the epoch. */
  readonly endsAt: number | undefined;
  /** The broker or its backend could not confirm that this is still the value. */
  readonly stale: boolean;
}
