import * as z from 'zod';
import { decodeBase64 } from '../../crypto/random/base64.ts';
import { randomFraction } from '../../crypto/random/random.ts';
import { BrokerError } from '../../domain/errors.ts';
import type { CallContext } from '../../ports/call-context.ts';
import type { Clock } from '../../ports/clock.ts';
import { authenticatesAssociatedData, ProvenKey } from '../server/key-proof.ts';
import { connectVault, type VaultClient } from './client/client.ts';
import type { VaultTransitConfig } from './config.ts';
import { refusesCiphertext, sealed } from './errors.ts';

const wrappedAnswer = z.object({ data: z.object({ ciphertext: z.string() }) });
const unwrappedAnswer = z.object({ data: z.object({ plaintext: z.string() }) });

/**
 * A key that never leaves the transit engine. Before its first use the broker checks the key, and proves that the server authenticates
 * associated data. A server that does not support the parameter ignores it, so a wrapped key could be moved to another place.
 */
export class VaultTransitKey extends ProvenKey {
  readonly #client: VaultClient;
  readonly #mount: string;
  readonly #key: string;

  constructor(client: VaultClient, config: VaultTransitConfig) {
    super(`vault-transit:${config.connection}/${config.mount}/${config.key}`);
    this.#client = client;
    this.#mount = config.mount;
    this.#key = config.key;
  }

  close(): Promise<void> {
    return this.#client.close();
  }

  protected async prove(context: CallContext): Promise<void> {
    const path = `${this.#mount}/keys/${this.#key}`;
    const facts = await this.#client
      .read({ method: 'GET', path }, context)
      .catch((error: unknown) => {
        throw sealed(
          error,
          `${this.id}: its properties cannot be read; create it and grant \`read\` on ${path}`,
        );
      });
    const [problem] = keyProblems(facts);
    if (problem !== undefined) throw sealed(undefined, `${this.id}: ${problem}`);
    const key = { encrypt: this.encrypt.bind(this), decrypt: this.decrypt.bind(this) };
    if (!(await authenticatesAssociatedData(key, context))) {
      throw sealed(
        undefined,
        `${this.id}: the server does not authenticate associated data; update it`,
      );
    }
  }

  protected async encrypt(
    plaintext: Uint8Array,
    associatedData: Uint8Array,
    context: CallContext,
  ): Promise<Uint8Array> {
    const body = { plaintext: toBase64(plaintext), associated_data: toBase64(associatedData) };
    const path = `${this.#mount}/encrypt/${this.#key}`;
    const answer = await this.#ask(path, body, context).catch(failSealed);
    const parsed = wrappedAnswer.safeParse(answer);
    const wrapped = Buffer.from(parsed.success ? parsed.data.data.ciphertext : '', 'utf8');
    if (parseCiphertext(wrapped) === undefined)
      throw sealed(new Error('no ciphertext in the answer'));
    return wrapped;
  }

  protected async decrypt(
    wrapped: Uint8Array,
    associatedData: Uint8Array,
    context: CallContext,
  ): Promise<Uint8Array> {
    const ciphertext = parseCiphertext(wrapped);
    if (ciphertext === undefined) throw new BrokerError('ERR_CIPHERTEXT_INVALID');
    const body = { ciphertext, associated_data: toBase64(associatedData) };
    const path = `${this.#mount}/decrypt/${this.#key}`;
    const answer = await this.#ask(path, body, context).catch((error: unknown) => {
      throw refusesCiphertext(error) ? new BrokerError('ERR_CIPHERTEXT_INVALID') : sealed(error);
    });
    const parsed = unwrappedAnswer.safeParse(answer);
    const plaintext = parsed.success ? decodeBase64(parsed.data.data.plaintext) : undefined;
    return plaintext ?? failSealed(new Error('no plaintext in the answer'));
  }

  /** Encryption and decryption change nothing at the server, so both may be repeated. */
  #ask(path: string, body: Record<string, string>, context: CallContext): Promise<unknown> {
    return this.#client.read({ method: 'POST', path, body }, context);
  }
}

/** @throws ERR_CONFIG_INVALID if the CA file cannot be read. Sends nothing yet. */
export async function openVaultTransitKey(
  config: VaultTransitConfig,
  clock: Clock,
): Promise<VaultTransitKey> {
  return new VaultTransitKey(
    await connectVault(config, { clock, connection: config.connection, random: randomFraction }),
    config,
  );
}

function failSealed(cause: unknown): never {
  throw sealed(cause);
}

function toBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64');
}

const CIPHERTEXT = /^vault:v[1-9][0-9]{0,8}:([A-Za-z0-9+/]+={0,2})$/;
const MOST_BYTES = 16_384;

/** The engine's text (`vault:v1:` and base64) in its canonical form, so that each ciphertext has one form. Undefined for any other text. */
export function parseCiphertext(bytes: Uint8Array): string | undefined {
  if (bytes.length > MOST_BYTES) return undefined;
  const text = Buffer.from(bytes).toString('latin1');
  const encoded = CIPHERTEXT.exec(text)?.[1];
  return encoded !== undefined && decodeBase64(encoded) !== undefined ? text : undefined;
}

/** Key types that authenticate associated data. */
const ENCRYPTION_TYPES = new Set([
  'aes128-gcm96',
  'aes256-gcm96',
  'chacha20-poly1305',
  'xchacha20-poly1305',
]);

const answerSchema = z.object({
  data: z.object({
    type: z.string(),
    derived: z.boolean(),
    exportable: z.boolean(),
    allow_plaintext_backup: z.boolean(),
    deletion_allowed: z.boolean(),
  }),
});

/** Lists the reasons why a transit key is not suitable to wrap root keys, each with its remedy; empty if it is suitable. */
function keyProblems(answer: unknown): readonly string[] {
  const parsed = answerSchema.safeParse(answer);
  if (!parsed.success) return ['its properties cannot be read'];
  const key = parsed.data.data;
  const rules: readonly [boolean, string][] = [
    [
      ENCRYPTION_TYPES.has(key.type),
      'its type does not authenticate associated data: create it as aes256-gcm96',
    ],
    [!key.derived, 'it is derived: create it with derived=false'],
    [!key.exportable, 'it can be exported: create it with exportable=false'],
    [
      !key.allow_plaintext_backup,
      'it can be backed up in the clear: create it with allow_plaintext_backup=false',
    ],
    [!key.deletion_allowed, 'it can be deleted: set deletion_allowed=false'],
  ];
  return rules.filter(([holds]) => !holds).map(([, problem]) => problem);
}
