import { invalidCiphertext } from '../../../crypto/aead.ts';
import type { SecretPlace } from '../../../crypto/associated-data.ts';
import { openValue, type SealedValue } from '../../../crypto/envelope.ts';
import type { Keyring } from '../../../crypto/keyring.ts';
import type { Clock } from '../../../ports/clock.ts';
import type { Store } from '../../../ports/store.ts';
import type { Tables } from '../../../ports/tables.ts';
import { HISTORY_LENGTH } from '../config.ts';
import { verifyHead, type SecretHead } from '../secret-head.ts';

export interface EmbeddedParts {
  readonly store: Store;
  readonly keyring: Keyring;
  /** The installation's random id: part of every place. */
  readonly installation: string;
  readonly clock: Clock;
}

export type VersionRow = Tables['secret_versions'];

/** Reads heads and versions, and lets none through that is not as it was written. */
export class EmbeddedSecrets {
  readonly #parts: EmbeddedParts;

  constructor(parts: EmbeddedParts) {
    this.#parts = parts;
  }

  /** undefined when there never was such a secret. @throws ERR_CIPHERTEXT_INVALID */
  async head(path: string): Promise<SecretHead | undefined> {
    const row = await this.#parts.store.get('secrets', { path });
    if (row === undefined) return undefined;
    if (row.path !== path) throw invalidCiphertext(new Error('the store answered another row'));
    return verifyHead(this.#parts.keyring, row);
  }

  version(head: SecretHead, version: number): Promise<VersionRow | undefined> {
    return this.#parts.store.get('secret_versions', { secret_id: head.id, version });
  }

  /** From the newest to the oldest kept; `upTo` is inclusive. */
  history(head: SecretHead, upTo = head.last_version): Promise<readonly VersionRow[]> {
    return this.#parts.store.list('secret_versions', {
      equals: { secret_id: head.id },
      upTo: { version: upTo },
      orderBy: ['version'],
      descending: true,
      limit: HISTORY_LENGTH,
    });
  }

  /**
   * A head put back to an earlier state carries a MAC that was good once; the versions written since give it away.
   * @throws ERR_CIPHERTEXT_INVALID
   */
  async refuseRolledBack(head: SecretHead): Promise<void> {
    const next = { secret_id: head.id, version: head.last_version + 1 };
    if ((await this.#parts.store.get('secret_versions', next)) === undefined) return;
    const again = await this.head(head.path);
    if (again !== undefined && again.last_version > head.last_version) return;
    throw invalidCiphertext(new Error('a secret has a version that its head does not know'));
  }

  open(place: SecretPlace, sealed: SealedValue): Buffer {
    return openValue((id) => this.#parts.keyring.find(id), place, sealed);
  }

  place(head: Pick<SecretHead, 'path' | 'id'>, version: number): SecretPlace {
    const { installation } = this.#parts;
    return { installation, secretId: head.id, path: head.path, version };
  }
}
