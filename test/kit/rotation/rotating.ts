import type { SecretData } from '../../../src/domain/secret.ts';

/** One secret that rotates: what a broker process is furnished with for it, and how a test sees what its target lets in. */
export interface Rotating {
  readonly path: string;
  /** As the configuration file has them. */
  readonly connections: Readonly<Record<string, object>>;
  /** Documents of mounts, by their paths in the API. */
  readonly mounts?: Readonly<Record<string, object>>;
  /** What is written below the path first, where the broker keeps it itself. */
  readonly first?: SecretData;
  /** Of the definition. */
  readonly rotation: object;
  /** What the target does by itself before a rotation finds anything to take over. */
  readonly due?: (current: SecretData) => Promise<void>;
  /** Really logs in, past the broker. */
  readonly logsIn: (data: SecretData) => Promise<boolean>;
  /** What a provider outside has; absent: the broker keeps it. */
  readonly held?: () => Promise<SecretData>;
  /** How often that was written; absent where the provider does not count. */
  readonly written?: () => Promise<number>;
  readonly close: () => Promise<void>;
}

/** Calls have time enough, also where the broker's clock is fast. */
export const PATIENT = { timeoutMs: 60_000 };
