import {
  unwrapRootKey,
  wrapRootKey,
  type RootKey,
  type WrappedRootKey,
  type WrappingScope,
} from '../../crypto/keys/root-keys.ts';
import { randomId } from '../../crypto/random/random.ts';
import { BrokerError, type ErrorCode } from '../../domain/errors.ts';
import type { CallContext } from '../../ports/call-context.ts';
import type { Clock } from '../../ports/clock.ts';
import { withDeadline } from '../../ports/deadline.ts';
import type { KeyEncryptionKey } from '../../ports/key-encryption-key.ts';
import type { Tables } from '../../ports/tables.ts';

type RootKeyRow = Tables['root_keys'];
type WrapRow = Tables['root_key_wraps'];

const DEADLINE_MS = 10_000;

/** A key of the configuration that could not be opened yet. */
export interface UnopenedKek {
  readonly name: string;
  readonly open: () => Promise<KeyEncryptionKey>;
}

/** The key-encryption keys of the configuration. Each of them opens every root key by itself. */
export class RootKeyWrappers {
  readonly #keks: KeyEncryptionKey[];
  readonly #clock: Clock;
  #unopened: readonly UnopenedKek[];
  /** Time at which a key last opened a root key, in monotonic milliseconds. */
  #openedAt: number;
  /** Error of the last use of each key, by its id. */
  readonly #problems = new Map<string, ErrorCode>();

  constructor(
    keks: readonly KeyEncryptionKey[],
    clock: Clock,
    unopened: readonly UnopenedKek[] = [],
  ) {
    this.#keks = [...keks];
    this.#clock = clock;
    this.#unopened = unopened;
    this.#openedAt = clock.monotonic();
    for (const { name } of unopened) this.#problems.set(name, 'ERR_SEALED');
  }

  /** Opens the keys that could not be opened at start. Each that works from now on wraps the root keys, as a new key of the configuration does. */
  async openMissing(): Promise<void> {
    const remaining: UnopenedKek[] = [];
    for (const missing of this.#unopened) {
      try {
        this.#keks.push(await missing.open());
        this.#problems.delete(missing.name);
      } catch (error) {
        remaining.push(missing);
        this.#problems.set(missing.name, BrokerError.from(error).code);
      }
    }
    this.#unopened = remaining;
  }

  /** Milliseconds since a key last opened a root key. */
  sinceOpened(): number {
    return this.#clock.monotonic() - this.#openedAt;
  }

  ids(): readonly string[] {
    return this.#keks.map(({ id }) => id);
  }

  /** Lists the keys whose last use failed. */
  problems(): ReadonlyMap<string, ErrorCode> {
    return this.#problems;
  }

  /**
   * Wraps a root key under one key, and proves that the same key opens it: `unwrapRootKey` compares the result with the commitment.
   * @throws ERR_SEALED, ERR_CIPHERTEXT_INVALID
   */
  wrap(rootKey: RootKey, kekId: string, installation: string): Promise<WrapRow> {
    return this.#useKek(this.#kek(kekId), async (scope) => {
      const record = await wrapRootKey(rootKey, { ...scope, installation });
      (await unwrapRootKey(record, { ...scope, installation })).forget();
      const { id, wrapped } = record;
      return { root_key_id: id, kek_id: kekId, wrapped, created_at: this.#clock.now() };
    });
  }

  /** Wraps a root key under every key. @throws as `wrap` if one of them fails. */
  async wrapUnderAll(rootKey: RootKey, installation: string): Promise<readonly WrapRow[]> {
    return Promise.all(this.#keks.map(({ id }) => this.wrap(rootKey, id, installation)));
  }

  /** Opens a root key with the first key that can. @throws the first failure if no key can. */
  async unwrap(
    { id, commitment }: Pick<RootKeyRow, 'id' | 'commitment'>,
    wraps: readonly WrapRow[],
    installation: string,
  ): Promise<RootKey> {
    let failure: BrokerError | undefined;
    for (const kek of this.#keks) {
      const wrap = wraps.find((each) => each.root_key_id === id && each.kek_id === kek.id);
      if (wrap === undefined) continue;
      try {
        return await this.#open(kek, { id, commitment, wrapped: wrap.wrapped }, installation);
      } catch (error) {
        failure ??= BrokerError.from(error);
      }
    }
    throw failure ?? this.#noWrap(id, wraps);
  }

  /** Proves that one key opens a root key of the store. @throws as `unwrapRootKey` */
  async prove({ id, commitment }: RootKeyRow, wrap: WrapRow, installation: string): Promise<void> {
    const record = { id, commitment, wrapped: wrap.wrapped };
    (await this.#open(this.#kek(wrap.kek_id), record, installation)).forget();
  }

  async #open(
    kek: KeyEncryptionKey,
    record: Omit<WrappedRootKey, 'kekId'>,
    installation: string,
  ): Promise<RootKey> {
    try {
      return await this.#useKek(kek, (scope) =>
        unwrapRootKey({ ...record, kekId: kek.id }, { ...scope, installation }),
      );
    } catch (cause) {
      const { code, detail } = BrokerError.from(cause);
      if (code !== 'ERR_CIPHERTEXT_INVALID' || detail !== undefined) throw cause;
      throw new BrokerError(
        code,
        `the key-encryption key ${kek.id} answered, but did not give the root key ${record.id}: the configuration names another key, or the stored wrapping was changed`,
        { cause: (cause as BrokerError).cause },
      );
    }
  }

  #noWrap(id: string, wraps: readonly WrapRow[]): BrokerError {
    const stored = wraps.filter((each) => each.root_key_id === id).map(({ kek_id }) => kek_id);
    const detail = `the root key ${id} is wrapped by ${stored.join(' and ') || 'no key'}, the configuration has ${this.ids().join(' and ')}`;
    return new BrokerError('ERR_CIPHERTEXT_INVALID', detail);
  }

  #kek(id: string): KeyEncryptionKey {
    const kek = this.#keks.find((each) => each.id === id);
    if (kek !== undefined) return kek;
    throw new BrokerError('ERR_NOT_FOUND', `the configuration has no key-encryption key ${id}`);
  }

  async #useKek<T>(
    kek: KeyEncryptionKey,
    work: (scope: Omit<WrappingScope<CallContext>, 'installation'>) => Promise<T>,
  ): Promise<T> {
    const requestId = randomId('req');
    try {
      const result = await withDeadline(this.#clock, DEADLINE_MS, (signal) =>
        work({ kek, context: { requestId, signal } }),
      );
      this.#problems.delete(kek.id);
      this.#openedAt = this.#clock.monotonic();
      return result;
    } catch (error) {
      this.#problems.set(kek.id, BrokerError.from(error).code);
      throw error;
    }
  }
}
