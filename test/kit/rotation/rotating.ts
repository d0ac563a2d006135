import type { SecretData } from '../../../src/domain/secrets/secret.ts';

/** One rotating secret: the configuration of a broker process for it, and the checks of a test what its target accepts. */
export interface Rotating {
  readonly path: string;
  /** Connections for the configuration file. */
  readonly connections: Readonly<Record<string, object>>;
  /** Documents of mounts, by their API paths. */
  readonly mounts?: Readonly<Record<string, object>>;
  /** The first value below the path, if the broker stores it. */
  readonly first?: SecretData;
  /** The rotation of the definition. */
  readonly rotation: object;
  /** The target's own action before a rotation finds a value to take over. */
  readonly due?: (current: SecretData) => Promise<void>;
  /** Logs in at the target without the broker. */
  readonly logsIn: (data: SecretData) => Promise<boolean>;
  /** The value at an external provider; absent: the broker stores it. */
  readonly held?: () => Promise<SecretData>;
  /** Counts the writes of that value; absent if the provider does not count. */
  readonly written?: () => Promise<number>;
  readonly close: () => Promise<void>;
}
