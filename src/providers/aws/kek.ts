import type * as KmsSdk from '@aws-sdk/client-kms';
import { BrokerError } from '../../domain/errors.ts';
import type { CallContext } from '../../ports/call-context.ts';
import type { Clock } from '../../ports/clock.ts';
import { createGuard, type Guard } from '../guard/guard.ts';
import { authenticatesAssociatedData, ProvenKey } from '../server/key-proof.ts';
import { clientOptions } from './client/client-options.ts';
import type { AwsKmsConfig } from './config.ts';
import { AwsRefusal, awsAttempt } from './errors.ts';

const MAX_ANSWER_BYTES = 64 * 1024;
const MOST_CIPHERTEXT_BYTES = 6_144;
/** The one member of the encryption context. AWS writes it to CloudTrail; it names the row of a root key and reveals nothing of it. */
const CONTEXT_NAME = 'quaymaster';
/** The server chooses its answer, so a message repeats nothing else of it. */
const KEY_NAME = /^[A-Za-z0-9:/-]{1,256}$/;
/** Answers that say that the ciphertext, the context or the key of the ciphertext is wrong. */
const WRONG_CIPHERTEXT = new Set(['InvalidCiphertextException', 'IncorrectKeyException']);

interface Kms {
  readonly sdk: typeof KmsSdk;
  readonly client: KmsSdk.KMSClient;
}

/**
 * A symmetric key of AWS KMS. The associated data is the encryption context, which KMS authenticates. Before its first use the broker proves that the
 * server does so: an emulator that ignores the context could move one wrapped root key to the place of another.
 */
export class AwsKmsKey extends ProvenKey {
  readonly #kms: Kms;
  readonly #guard: Guard;
  readonly #keyId: string;

  constructor(kms: Kms, guard: Guard, { connection, keyId }: AwsKmsConfig) {
    super(`aws-kms:${connection}/${keyId}`);
    this.#kms = kms;
    this.#guard = guard;
    this.#keyId = keyId;
  }

  close(): Promise<void> {
    this.#kms.client.destroy();
    return Promise.resolve();
  }

  protected async prove(context: CallContext): Promise<void> {
    const key = { encrypt: this.encrypt.bind(this), decrypt: this.#callDecrypt.bind(this) };
    if (!(await authenticatesAssociatedData(key, context)))
      throw this.#sealed(undefined, 'the server does not authenticate the encryption context');
  }

  protected async encrypt(
    plaintext: Uint8Array,
    associatedData: Uint8Array,
    context: CallContext,
  ): Promise<Uint8Array> {
    const { client, sdk } = this.#kms;
    const command = new sdk.EncryptCommand({
      KeyId: this.#keyId,
      Plaintext: plaintext,
      EncryptionContext: contextOf(associatedData),
    });
    const answer = await this.#call(context, (abortSignal) =>
      client.send(command, { abortSignal }),
    );
    this.#requireOwnKey(answer.KeyId);
    const wrapped = answer.CiphertextBlob;
    if (!(wrapped instanceof Uint8Array) || wrapped.length === 0)
      throw this.#sealed(undefined, 'the answer has no ciphertext');
    return wrapped;
  }

  protected async decrypt(
    wrapped: Uint8Array,
    associatedData: Uint8Array,
    context: CallContext,
  ): Promise<Uint8Array> {
    try {
      return await this.#callDecrypt(wrapped, associatedData, context);
    } catch (error) {
      if (!isDenied(error)) throw error;
      // Either the right to use the key was removed, or the ciphertext is of another key. If the key still opens a probe, it is the ciphertext.
      await this.prove(context);
      throw new BrokerError('ERR_CIPHERTEXT_INVALID');
    }
  }

  async #callDecrypt(
    wrapped: Uint8Array,
    associatedData: Uint8Array,
    context: CallContext,
  ): Promise<Uint8Array> {
    if (wrapped.length === 0 || wrapped.length > MOST_CIPHERTEXT_BYTES)
      throw new BrokerError('ERR_CIPHERTEXT_INVALID');
    const { client, sdk } = this.#kms;
    // With the key's id, KMS refuses a ciphertext of another key, which the caller may also be allowed to use.
    const command = new sdk.DecryptCommand({
      KeyId: this.#keyId,
      CiphertextBlob: wrapped,
      EncryptionContext: contextOf(associatedData),
    });
    const answer = await this.#call(context, (abortSignal) =>
      client.send(command, { abortSignal }),
    );
    this.#requireOwnKey(answer.KeyId);
    const plaintext = answer.Plaintext;
    if (plaintext instanceof Uint8Array) return plaintext;
    throw this.#sealed(undefined, 'the answer has no plaintext');
  }

  /** KMS names the key that it used, by its ARN. A root key must not be wrapped under a key that the server chose. */
  #requireOwnKey(answered: unknown): void {
    // The SDK does not check the types of an answer.
    const used = typeof answered === 'string' ? answered : '';
    if (used === this.#keyId || used.endsWith(`:key/${this.#keyId}`)) return;
    const name = KEY_NAME.test(used) ? used : 'without a valid KeyId';
    throw new BrokerError(
      'ERR_CIPHERTEXT_INVALID',
      `${this.id}: KMS answered with another key (${name}); check kek.endpoint and what is between the broker and KMS`,
    );
  }

  /** Calls the server. Both operations change nothing there, so both may be repeated. */
  async #call<T>(context: CallContext, send: (signal: AbortSignal) => Promise<T>): Promise<T> {
    try {
      return await this.#guard.read(context, (signal) => awsAttempt(signal, () => send(signal)));
    } catch (error) {
      if (error instanceof BrokerError && isWrongCiphertext(error))
        throw new BrokerError('ERR_CIPHERTEXT_INVALID');
      throw this.#sealed(error, 'KMS cannot be used; see the cause');
    }
  }

  #sealed(cause: unknown, problem: string): BrokerError {
    return new BrokerError('ERR_SEALED', `${this.id}: ${problem}`, { cause });
  }
}

/** Loads the SDK; sends nothing yet. */
export async function openAwsKmsKey(config: AwsKmsConfig, clock: Clock): Promise<AwsKmsKey> {
  const sdk = await import('@aws-sdk/client-kms');
  const client = new sdk.KMSClient(clientOptions(config, MAX_ANSWER_BYTES));
  return new AwsKmsKey(
    { sdk, client },
    createGuard(config.limits, { clock, connection: config.connection }),
    config,
  );
}

function contextOf(associatedData: Uint8Array): Record<string, string> {
  return { [CONTEXT_NAME]: Buffer.from(associatedData).toString('base64') };
}

function isWrongCiphertext({ cause }: { readonly cause?: unknown }): boolean {
  return cause instanceof AwsRefusal && WRONG_CIPHERTEXT.has(cause.errorName);
}

/** The cause of an ERR_SEALED is the error of the guard. */
function isDenied(error: unknown): boolean {
  const cause = error instanceof BrokerError ? error.cause : undefined;
  return cause instanceof BrokerError && cause.code === 'ERR_PROVIDER_DENIED';
}
