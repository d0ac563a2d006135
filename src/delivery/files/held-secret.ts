import type { SecretData } from '../../domain/secret.ts';
import type { Sensitive } from '../../domain/sensitive.ts';

/** One secret as the agent has it at this moment. */
export interface HeldSecret {
  /** How templates, `exec` and the local API call it. */
  readonly name: string;
  readonly path: string;
  /** Opaque, the provider's own. */
  readonly version: string;
  readonly data: Sensitive<SecretData>;
  readonly leaseId: string | undefined;
  /** When the right to hold it ends, by this machine's clock: milliseconds since the epoch. */
  readonly endsAt: number | undefined;
  /** The broker or its backend could not say whether this is still the value. */
  readonly stale: boolean;
}
