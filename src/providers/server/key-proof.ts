import { randomBytes } from '../../crypto/random/random.ts';
import { BrokerError } from '../../domain/errors.ts';
import { Once } from '../../domain/once.ts';
import type { CallContext } from '../../ports/call-context.ts';
import type { KeyEncryptionKey } from '../../ports/key-encryption-key.ts';

type Crypt = (
  bytes: Uint8Array,
  associatedData: Uint8Array,
  context: CallContext,
) => Promise<Uint8Array>;

/**
 * Tests whether the server of a key authenticates associated data. If a server ignores them, an attacker can put one
 * wrapped root key in the place of another.
 * @throws what the server's other failures throw: they prove nothing
 */
export async function authenticatesAssociatedData(
  { encrypt, decrypt }: { readonly encrypt: Crypt; readonly decrypt: Crypt },
  context: CallContext,
): Promise<boolean> {
  const [probe, place, otherPlace] = [randomBytes(32), Buffer.from('a'), Buffer.from('b')];
  const wrapped = await encrypt(probe, place, context);
  const opened = await decrypt(wrapped, place, context);
  const moved = await decrypt(wrapped, otherPlace, context).catch(refusal);
  return probe.equals(opened) && moved === undefined;
}

/** The check expects that the server refuses the ciphertext; any other failure proves nothing. */
function refusal(error: unknown): undefined {
  if (error instanceof BrokerError && error.code === 'ERR_CIPHERTEXT_INVALID') return undefined;
  throw error;
}

/** A key of a server, which is proven before its first use in a process. A failed proof is repeated at the next call. */
export abstract class ProvenKey implements KeyEncryptionKey {
  readonly id: string;
  readonly #proof = new Once<void>();

  constructor(id: string) {
    this.id = id;
  }

  async wrap(
    plaintext: Uint8Array,
    associatedData: Uint8Array,
    context: CallContext,
  ): Promise<Uint8Array> {
    await this.#proof.run(() => this.prove(context));
    return this.encrypt(plaintext, associatedData, context);
  }

  async unwrap(
    wrapped: Uint8Array,
    associatedData: Uint8Array,
    context: CallContext,
  ): Promise<Uint8Array> {
    await this.#proof.run(() => this.prove(context));
    return this.decrypt(wrapped, associatedData, context);
  }

  /** Proves at least that the server authenticates associated data. @throws ERR_SEALED */
  protected abstract prove(context: CallContext): Promise<void>;

  protected abstract encrypt(...args: Parameters<Crypt>): Promise<Uint8Array>;

  protected abstract decrypt(...args: Parameters<Crypt>): Promise<Uint8Array>;
}
