import { invalidCiphertext } from '../../../crypto/aead/aead.ts';
import { BrokerError } from '../../../domain/errors.ts';
import { isUnder, parseSecretPath } from '../../../domain/words/names.ts';
import type { Page, PageRequest } from '../../../domain/page.ts';
import type { SecretListing, SecretVersion } from '../../../domain/secrets/secret.ts';
import type { CallContext } from '../../../ports/call-context.ts';
import type {
  CheckReport,
  SecretProvider,
  SecretPublishing,
  SecretWrites,
} from '../../../ports/secret-provider.ts';
import type { EmbeddedOptions } from '../config.ts';
import { checkEmbedded } from '../check.ts';
import { EmbeddedPublishing } from './publishing.ts';
import {
  EmbeddedSecrets,
  type EmbeddedParts,
  isDeleted,
  type VersionRow,
  type SecretHead,
} from './rows.ts';
import { EmbeddedWrites, parseVersion } from './writes.ts';
import { listDeletedSecrets, listSecrets } from './list.ts';
import { decodeSecret } from './secret-text.ts';

/** Secrets in the broker's own store, each version under its own data key. A locator is the secret's path. */
export class EmbeddedProvider implements SecretProvider {
  readonly covers: string;
  readonly writes: SecretWrites;
  readonly publishing: SecretPublishing;
  readonly #parts: EmbeddedParts;
  readonly #prefix: string;
  readonly #secrets: EmbeddedSecrets;

  constructor(parts: EmbeddedParts, options: EmbeddedOptions) {
    this.#parts = parts;
    this.#prefix = options.prefix;
    this.covers = `${options.prefix}/`;
    this.#secrets = new EmbeddedSecrets(parts);
    this.writes = new EmbeddedWrites(parts, this.#secrets, options);
    this.publishing = new EmbeddedPublishing(this, this.#secrets, this.writes);
  }

  locate(rest: string, ref?: unknown): string {
    if (ref !== undefined) throw noRef();
    return parseSecretPath(`${this.#prefix}/${rest}`);
  }

  /** @throws ERR_BODY_INVALID always. */
  restOf(): never {
    throw noRef();
  }

  async read(
    path: string,
    version: string | undefined,
    { signal }: CallContext,
  ): Promise<SecretVersion> {
    if (signal.aborted) throw new BrokerError('ERR_PROVIDER_TIMEOUT');
    if (!isUnder(path, this.#prefix)) throw new BrokerError('ERR_NOT_FOUND');
    const head = await this.#secrets.head(path);
    if (head === undefined) throw new BrokerError('ERR_NOT_FOUND');
    const row = await (version === undefined
      ? this.#current(head)
      : this.#readVersion(head, parseVersion(version)));
    await this.#secrets.refuseRolledBack(head);
    return this.#open(head, row);
  }

  list(prefix: string, page: PageRequest): Promise<Page<SecretListing>> {
    return listSecrets(this.#parts, this.#prefix, prefix, page);
  }

  listDeleted(prefix: string, page: PageRequest): Promise<Page<SecretListing>> {
    return listDeletedSecrets(this.#parts, this.#prefix, prefix, page);
  }

  check(): Promise<CheckReport> {
    return Promise.resolve(checkEmbedded(this.#parts.store));
  }

  async #current(head: SecretHead): Promise<LiveRow> {
    if (head.current_version === null) throw new BrokerError('ERR_NOT_FOUND');
    const row = await this.#secrets.version(head, head.current_version);
    if (isLive(row)) return row;
    // Destroying the current version removes it from the head in the same commit, so only tampering with the store leads here.
    const again = await this.#secrets.head(head.path);
    if (again?.current_version === head.current_version) {
      throw invalidCiphertext(new Error('the current version of a secret is missing'));
    }
    throw new BrokerError('ERR_NOT_FOUND');
  }

  async #readVersion(head: SecretHead, version: number): Promise<LiveRow> {
    const isKept = version <= head.last_version && !isDeleted(head, version);
    const row = isKept ? await this.#secrets.version(head, version) : undefined;
    if (!isLive(row)) throw new BrokerError('ERR_NOT_FOUND');
    return row;
  }

  #open(head: SecretHead, row: LiveRow): SecretVersion {
    const plaintext = this.#secrets.open(this.#secrets.place(head, row.version), {
      rootKeyId: row.root_key_id,
      wrappedDek: row.wrapped_dek,
      ciphertext: row.ciphertext,
    });
    const data = decodeSecret(plaintext);
    plaintext.fill(0);
    return { data, version: String(row.version), createdAt: row.created_at };
  }
}

function noRef(): BrokerError {
  return new BrokerError(
    'ERR_BODY_INVALID',
    'an embedded secret has no ref: its path is its place',
  );
}

type LiveRow = VersionRow & { readonly wrapped_dek: Uint8Array; readonly ciphertext: Uint8Array };

function isLive(row: VersionRow | undefined): row is LiveRow {
  return row !== undefined && row.wrapped_dek !== null && row.ciphertext !== null;
}
