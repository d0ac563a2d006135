import { BrokerError } from '../../../domain/errors.ts';
import type { SecretData } from '../../../domain/secrets/secret.ts';
import type { CallContext } from '../../../ports/call-context.ts';
import type {
  PublishedVersion,
  SecretProvider,
  SecretPublishing,
  SecretWrites,
} from '../../../ports/secret-provider.ts';
import { type EmbeddedSecrets, expectHead, type SecretHead } from './rows.ts';
import { encodeSecret } from './secret-text.ts';

/** Rotated values become ordinary versions, which commit together with the rotation's own row. */
export class EmbeddedPublishing implements SecretPublishing {
  readonly #reads: Pick<SecretProvider, 'read'>;
  readonly #secrets: EmbeddedSecrets;
  readonly #writes: SecretWrites;

  constructor(reads: Pick<SecretProvider, 'read'>, secrets: EmbeddedSecrets, writes: SecretWrites) {
    this.#reads = reads;
    this.#secrets = secrets;
    this.#writes = writes;
  }

  /**
   * Writes nothing if `data` is already current: the fragment then expects it to stay current until the commit.
   * @throws as `SecretWrites.put`.
   */
  async publish(
    path: string,
    data: SecretData,
    token: string,
    context: CallContext,
  ): Promise<PublishedVersion> {
    if (context.signal.aborted) throw new BrokerError('ERR_PROVIDER_TIMEOUT');
    const head = await this.#secrets.head(path);
    const current = await this.#current(head, context);
    if (head !== undefined && current !== undefined && isSame(current, data)) {
      const fragment = { expect: [expectHead(path, head)], writes: [], invalidates: [] };
      return { version: String(head.current_version), fragment };
    }
    const staged = await this.#writes.put(path, data, undefined, {
      author: `rotation:${token}`,
      method: 'rotate',
    });
    return { version: staged.version ?? '', fragment: staged.fragment };
  }

  async #current(
    head: SecretHead | undefined,
    context: CallContext,
  ): Promise<SecretData | undefined> {
    const version = head?.current_version ?? undefined;
    if (head === undefined || version === undefined) return undefined;
    try {
      return (await this.#reads.read(head.path, String(version), context)).data;
    } catch (error) {
      // The version was destroyed meanwhile, so no value can equal it.
      if (error instanceof BrokerError && error.code === 'ERR_NOT_FOUND') return undefined;
      throw error;
    }
  }
}

function isSame(one: SecretData, other: SecretData): boolean {
  const [left, right] = [encodeSecret(one), encodeSecret(other)];
  const same = left.equals(right);
  left.fill(0);
  right.fill(0);
  return same;
}
