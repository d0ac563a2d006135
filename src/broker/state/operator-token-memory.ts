import {
  narrowGrants,
  type Grant,
  type Operator,
  type OperatorTokenSpec,
} from '../../domain/identity/principal.ts';
import type { Elevation } from '../../domain/identity/approval.ts';
import type { Person } from '../../domain/identity/person.ts';
import { grantsOf } from '../../domain/identity/role-binding.ts';
import type { PeopleIssuer } from '../../ports/people.ts';
import type { EncodedActor } from '../../domain/audit/audit-event.ts';
import type { TextDigest } from '../../domain/audit/audit-text.ts';
import { encodeActor } from '../../domain/audit/audit-event.ts';
import type { Store } from '../../ports/store.ts';
import type { Tables } from '../../ports/tables.ts';
import { OPERATOR_TOKENS } from '../../ports/queries.ts';
import { hmac } from '../../crypto/hashes/digest.ts';
import type { Keyring } from '../../crypto/keys/keyring.ts';
import { isWellFormedToken } from '../../crypto/random/token.ts';
import type { Catalog } from './catalog.ts';
import type { KeyringRowMacs } from '../kernel/row-macs.ts';
import { readUnchanged } from '../kernel/read-unchanged.ts';

/** An elevation in force. */
export interface Elevated {
  readonly elevation: Elevation;
  readonly endsAt: number;
}

/** Rights that tokens have for a time besides their own. */
export interface Elevations {
  /** The elevations of a token that are in force. */
  elevationsOf(tokenId: string): readonly Elevated[];
}

export interface OperatorToken {
  readonly id: string;
  readonly operator: string;
  readonly operatorUid: string;
  readonly spec: OperatorTokenSpec;
  readonly createdAt: number;
  readonly endsAt: number;
}

/** The elevations of a broker without approvals. */
export const NO_ELEVATIONS: Elevations = { elevationsOf: () => [] };

interface LiveFacts {
  readonly hash: Buffer;
  readonly digest: TextDigest;
  readonly person: Person | undefined;
  /** Actor, if entries name another one than the operator. */
  readonly actor?: EncodedActor;
}

/** An identified operator, with the data for its entries and plans. */
export class LiveOperator {
  /** Operator with elevations: its grants are more, and it ends with the first of them at the latest. */
  readonly operator: Operator;
  /** Operator without elevations. Only these rights change who has rights. */
  readonly own: Operator;
  readonly actor: EncodedActor;
  readonly fences: readonly string[];
  /** Keyed hash of its token. */
  readonly hash: Buffer;
  /** Person whose session this is. */
  readonly person: Person | undefined;

  constructor(
    own: Operator,
    elevated: readonly Elevated[],
    { hash, digest, person, actor }: LiveFacts,
  ) {
    this.own = own;
    const operator = elevated.length === 0 ? own : elevatedOf(own, elevated);
    this.operator = operator;
    this.hash = hash;
    this.person = person;
    const { name, tokenId } = operator;
    this.actor = actor ?? encodeActor({ kind: 'operator', operator: name, token: tokenId }, digest);
    this.fences = [
      `operator:${operator.name}`,
      `token:${operator.tokenId}`,
      'mounts:all',
      ...(person === undefined ? [] : ['role-bindings:all']),
    ];
  }
}

/** Plans of an elevated operator do not commit after the elevation, because its rights are decided with it. */
function elevatedOf(own: Operator, elevated: readonly Elevated[]): Operator {
  return {
    ...own,
    grants: [...own.grants, ...elevated.map(({ elevation }) => elevation.grant)],
    endsAt: Math.min(own.endsAt, ...elevated.map(({ endsAt }) => endsAt)),
  };
}

export interface OperatorTokenKeys {
  readonly keyring: Keyring;
  readonly rows: KeyringRowMacs;
  readonly digest: TextDigest;
}

/** Operator tokens by keyed hash. A token grants only what both the token and its operator's document grant now. */
export class OperatorTokens {
  readonly #store: Store;
  readonly #keys: OperatorTokenKeys;
  readonly #issuers: ReadonlyMap<string, PeopleIssuer>;
  readonly #elevations: Elevations | undefined;
  readonly #byHash = new Map<string, OperatorToken>();

  constructor(
    store: Store,
    keys: OperatorTokenKeys,
    issuers: ReadonlyMap<string, PeopleIssuer> = new Map(),
    elevations?: Elevations,
  ) {
    this.#store = store;
    this.#keys = keys;
    this.#issuers = issuers;
    this.#elevations = elevations;
  }

  /** The keyed hash by which the row of a token is found. */
  hash(token: string): Buffer {
    return hmac(this.#keys.keyring.lookup.keyFor('operatorToken'), token);
  }

  async find(token: string, catalog: Catalog): Promise<LiveOperator | undefined> {
    return isWellFormedToken('qmo', token) ? this.#live(this.hash(token), catalog) : undefined;
  }

  /** Finds the same operator in its current state, with its current grants; undefined if its token has ended. */
  async again({ hash }: LiveOperator, catalog: Catalog): Promise<LiveOperator | undefined> {
    return this.#live(hash, catalog);
  }

  async #live(hash: Buffer, catalog: Catalog): Promise<LiveOperator | undefined> {
    const stored = await this.#token(hash);
    if (stored === undefined) return undefined;
    const { person } = stored.spec;
    if (person !== undefined) {
      // The name of an issuer that is configured for another address now means other people.
      if (this.#issuers.get(person.issuer)?.url !== person.issuerUrl) return undefined;
      return this.liveOf(stored, grantsOf(catalog.all('role-binding'), person), hash);
    }
    const document = catalog.find('operator', stored.operator);
    if (document?.uid !== stored.operatorUid) return undefined;
    const held = document.spec.grants;
    const grants = stored.spec.grants === undefined ? held : narrowGrants(held, stored.spec.grants);
    return this.liveOf(stored, grants, hash);
  }

  liveOf(stored: OperatorToken, grants: readonly Grant[], hash: Buffer): LiveOperator {
    const { sourceCidrs, person } = stored.spec;
    const { operator: name, id: tokenId, endsAt } = stored;
    const operator: Operator = { kind: 'operator', name, tokenId, grants, sourceCidrs, endsAt };
    const elevated = this.#elevations?.elevationsOf(tokenId) ?? [];
    return new LiveOperator(operator, elevated, { hash, digest: this.#keys.digest, person });
  }

  async #token(hash: Buffer): Promise<OperatorToken | undefined> {
    const key = hash.toString('latin1');
    const known = this.#byHash.get(key);
    if (known !== undefined) return known;
    return readUnchanged(
      this.#store,
      () => this.#find(hash),
      (row) => {
        if (row === undefined) return undefined;
        const token = this.open(row);
        this.#byHash.set(key, token);
        return token;
      },
    );
  }

  /** Forgets all tokens, so that each is looked up and verified again. */
  clear(): void {
    this.#byHash.clear();
  }

  /**
   * Reads the row again by its primary key. The store compares single rows with the broker's last write, so it refuses a copy of a revoked
   * token's row.
   */
  async #find(hash: Buffer): Promise<Tables['operator_tokens'] | undefined> {
    const [row] = await this.#store.list(OPERATOR_TOKENS.byHash(hash), { limit: 1 });
    return row && this.#store.get('operator_tokens', { id: row.id });
  }

  /** Forgets a token; called for every change of kind `token`. */
  changed(id: string): void {
    for (const [key, token] of this.#byHash) if (token.id === id) this.#byHash.delete(key);
  }

  /** Reads a row. @throws ERR_CIPHERTEXT_INVALID for a row that the broker did not write. */
  open(row: Tables['operator_tokens']): OperatorToken {
    const { mac, ...fields } = row;
    this.#keys.rows.verify('operator_tokens', fields, mac);
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
    return { ...fields, mac: this.#keys.rows.mac('operator_tokens', fields) };
  }
}
