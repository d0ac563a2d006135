import type { SecretVersion } from '../../../domain/secret.ts';
import type { CallContext } from '../../../ports/call-context.ts';

/** What is at a path now, as the server has it. */
export interface KvContent {
  /** undefined where nothing is there, or the current version is deleted. */
  readonly content: Readonly<Record<string, unknown>> | undefined;
  /** As `KvEngine.read` gives it. */
  readonly version: string;
}

/** One KV engine: reads and writes a secret whole. Paths are encoded API paths. */
export interface KvEngine {
  /** @throws ERR_NOT_FOUND, ERR_PROVIDER_*. */
  read(path: string, version: string | undefined, context: CallContext): Promise<SecretVersion>;
  /** What a write goes on top of. @throws ERR_PROVIDER_*. */
  find(path: string, context: CallContext): Promise<KvContent>;
  /** Writes on top of what was found; undefined if another writer changed it meanwhile. @throws ERR_PROVIDER_*. */
  write(
    path: string,
    content: Readonly<Record<string, unknown>>,
    on: KvContent,
    context: CallContext,
  ): Promise<string | undefined>;
}
