import type { SecretVersion } from '../../domain/secret.ts';
import type { CallContext } from '../../ports/call-context.ts';

/** One KV engine: reads a secret whole, and lists one folder. Paths are encoded API paths. */
export interface KvEngine {
  /** @throws ERR_NOT_FOUND, ERR_PROVIDER_*. */
  read(path: string, version: string | undefined, context: CallContext): Promise<SecretVersion>;
}
