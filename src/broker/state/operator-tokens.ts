import { narrowGrants, type Operator, type OperatorTokenSpec } from '../../domain/principal.ts';
import type { EncodedActor } from '../../domain/audit-event.ts';
import type { TextDigest } from '../../domain/audit-text.ts';
import { encodeActor } from '../../domain/audit-event.ts';
import type { Store } from '../../ports/store.ts';
import type { Tables } from '../../ports/tables.ts';
import { hmac } from '../../crypto/digest.ts';
import { macRow, verifyRow } from '../../crypto/row-mac.ts';
import type { SecretKey } from '../../crypto/secret-key.ts';
import { isWellFormedToken } from '../../crypto/token.ts';
import type { Catalog } from './catalog.ts';

export interface OperatorToken {
  readonly id: string;
  readonly operator: string;
  readonly operatorUid: string;
  readonly spec: OperatorTokenSpec;
  readonly createdAt: number;
  readonly endsAt: number;
}

/** An operator in use, with what its entries and its plans need. */
export class LiveOperator {
  readonly operator: Operator;
  readonly actor: EncodedActor;
  readonly fences: readonly string[];

  constructor(operator: Operator, digest: TextDigest) {
    this.operator = operator;
    this.actor = encodeActor(
      { kind: 'operator', operator: operator.name, token: operator.tokenId },
      digest,
    );
    this.fences = [`operator:${operator.name}`, `token:${operator.tokenId}`, 'mounts:all'];
  }
}

/** Operator tokens by keyed hash. A token grants what both it and its operator's document grant at this moment. */
export class OperatorTokens {
  readonly #store: Store;
  readonly #keys: {
    readonly hashing: SecretKey;
    readonly rows: SecretKey;
    readonly digest: TextDigest;
  };
  readonly #byHash = new Map<string, OperatorToken>();

  constructor(
    store: Store,
    keys: { readonly hashing: SecretKey; readonly rows: SecretKey; readonly digest: TextDigest },
  ) {
    this.#store = store;
    this.#keys = keys;
  }

  hash(token: string): Buffer {
    return hmac(this.#keys.hashing, token);
  }

  async find(token: string, catalog: Catalog): Promise<LiveOperator | undefined> {
    if (!isWellFormedToken('qmo', token)) return undefined;
    const stored = await this.#token(this.hash(token));
    if (stored === undefined) return undefined;
    const document = catalog.find('operator', stored.operator);
    if (document?.uid !== stored.operatorUid) return undefined;
    const held = document.spec.grants;
    const grants = stored.spec.grants === undefined ? held : narrowGrants(held, stored.spec.grants);
    return new LiveOperator(
      {
        kind: 'operator',
        name: stored.operator,
        tokenId: stored.id,
        grants,
        sourceCidrs: stored.spec.sourceCidrs,
        endsAt: stored.endsAt,
      },
      this.#keys.digest,
    );
  }

  async #token(hash: Buffer): Promise<OperatorToken | undefined> {
    const key = hash.toString('latin1');
    const known = this.#byHash.get(key);
    if (known !== undefined) return known;
    for (;;) {
      const seen = this.#store.seq();
      const [row] = await this.#store.list('operator_tokens', { equals: { hash }, limit: 1 });
      if (this.#store.seq() !== seen) continue;
      if (row === undefined) return undefined;
      const token = this.open(row);
      this.#byHash.set(key, token);
      return token;
    }
  }

  /** Called for every change of kind `token`. */
  changed(id: string): void {
    for (const [key, token] of this.#byHash) if (token.id === id) this.#byHash.delete(key);
  }

  /** @throws ERR_CIPHERTEXT_INVALID for a row we did not write. */
  open(row: Tables['operator_tokens']): OperatorToken {
    const { mac, ...fields } = row;
    verifyRow(this.#keys.rows, 'operator_tokens', fields, mac);
    return {
      id: row.id,
      operator: row.operator,
      operatorUid: row.operator_uid,
      spec: JSON.parse(row.body) as OperatorTokenSpec,
      createdAt: row.created_at,
      endsAt: row.ends_at,
    };
  }

  seal(token: OperatorToken, hash: Uint8Array): Tables['operator_tokens'] {
    const fields = {
      id: token.id,
      operator: token.operator,
      operator_uid: token.operatorUid,
      hash,
      body: JSON.stringify(token.spec),
      created_at: token.createdAt,
      ends_at: token.endsAt,
    };
    return { ...fields, mac: macRow(this.#keys.rows, 'operator_tokens', fields) };
  }
}
