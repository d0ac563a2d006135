import type { SecretVersion } from '../../../domain/secrets/secret.ts';
import type { CallContext } from '../../../ports/call-context.ts';

/** The present content of a path at the server. */
export interface KvContent {
  /** Content of the path; undefined if it is empty, or its current version is deleted. */
  readonly content: Readonly<Record<string, unknown>> | undefined;
  /** The version that `KvEngine.read` returns. */
  readonly version: string;
}

/** One KV engine: reads and writes whole secrets. Paths are encoded API paths. */
export interface KvEngine {
  /** @throws ERR_NOT_FOUND, ERR_PROVIDER_*. */
  read(path: string, version: string | undefined, context: CallContext): Promise<SecretVersion>;
  /** The content that a write replaces. @throws ERR_PROVIDER_*. */
  find(path: string, context: CallContext): Promise<KvContent>;
  /** Replaces the content that `find` returned; undefined if another writer changed it meanwhile. @throws ERR_PROVIDER_*. */
  write(
    path: string,
    content: Readonly<Record<string, unknown>>,
    on: KvContent,
    context: CallContext,
  ): Promise<string | undefined>;
}
