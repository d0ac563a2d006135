import {
  meetGrants,
  narrowGrants,
  type Grant,
  type Operator,
  type OperatorTokenSpec,
} from '../../domain/identity/principal.ts';
import type { Elevation } from '../../domain/identity/approval.ts';
import type { Person } from '../../domain/identity/person.ts';
import type { SenderKey } from '../../domain/identity/sender-key.ts';
import { grantsOf } from '../../domain/policy/role-binding.ts';
import type { PeopleIssuer } from '../../ports/people.ts';
import type { EncodedActor } from '../../domain/audit/audit-event.ts';
import type { TextDigest } from '../../domain/audit/audit-text.ts';
import { encodeActor } from '../../domain/audit/audit-event.ts';
import type { Store } from '../../ports/store.ts';
import type { Tables } from '../../ports/tables.ts';
import { DOCUMENT_VERSIONS, OPERATOR_TOKENS } from '../../ports/queries.ts';
import { hmac } from '../../crypto/hashes/digest.ts';
import { senderKey } from '../../crypto/keys/sender-key.ts';
import type { Keyring } from '../../crypto/keys/keyring.ts';
import { isWellFormedToken } from '../../crypto/random/token.ts';
import type { Catalog } from './catalog.ts';
import type { KeyringRowMacs } from '../kernel/row-macs.ts';
import { listAll } from '../kernel/list-all.ts';
import { digestOf, SealNotice } from './seal-notice.ts';
import { readUnchanged } from '../kernel/read-unchanged.ts';
import { openDocumentVersion, type StoredDocument } from '../model/document.ts';
import { parseSpec } from '../model/schema.ts';

/** An elevation in force. */
export interface Elevated {
  /** Id of its approval. */
  readonly id: string;
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
  /** Key of the person's command line. Each request must prove it, and values are encrypted to it. Absent: a bearer token. */
  readonly senderKey?: SenderKey | undefined;
}

/** The elevations of a broker without approvals. */
export const NO_ELEVATIONS: Elevations = { elevationsOf: () => [] };

interface LiveFacts {
  readonly hash: Buffer;
  readonly digest: TextDigest;
  readonly person: Person | undefined;
  readonly senderKey?: SenderKey | undefined;
  readonly minters: readonly string[];
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
  /** Key that the session is bound to. */
  readonly senderKey: SenderKey | undefined;
  /** Other operators that may have the text of its token. */
  readonly minters: readonly string[];
  /** Elevations in force. */
  readonly elevated: readonly Elevated[];
  readonly #digest: TextDigest;

  constructor(
    own: Operator,
    elevated: readonly Elevated[],
    { hash, digest, person, senderKey, minters, actor }: LiveFacts,
  ) {
    this.own = own;
    this.elevated = elevated;
    this.#digest = digest;
    const operator = elevated.length === 0 ? own : elevatedOf(own, elevated);
    this.operator = operator;
    this.hash = hash;
    this.person = person;
    this.senderKey = senderKey;
    this.minters = minters;
    const { name, tokenId } = operator;
    this.actor = actor ?? encodeActor({ kind: 'operator', operator: name, token: tokenId }, digest);
    this.fences = [
      `operator:${operator.name}`,
      `token:${operator.tokenId}`,
      'mounts:all',
      ...(person === undefined ? [] : ['role-bindings:all']),
    ];
  }

  /** The same operator with only these of its elevations. */
  within(elevated: readonly Elevated[]): LiveOperator {
    const { own, hash, person, senderKey, minters, actor } = this;
    const digest = this.#digest;
    return new LiveOperator(own, elevated, { hash, digest, person, senderKey, minters, actor });
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

/** A token in memory. */
interface KnownToken {
  readonly stored: OperatorToken;
  /** Digest of the text that a caller presented. */
  digest?: string;
  /** The grants that its operator had in each version of its document from the minting to this one. */
  kept?: { readonly version: number; readonly grants: readonly Grant[] };
}

/**
 * Operator tokens by keyed hash. A token has the rights that its operator has had without interruption since the token was minted, and never
 * more than it names itself. So a later change of the operator gives nothing to a token whose minter may have kept its text.
 */
export class OperatorTokens {
  readonly #store: Store;
  readonly #keys: OperatorTokenKeys;
  readonly #issuers: ReadonlyMap<string, PeopleIssuer>;
  readonly #elevations: Elevations | undefined;
  readonly #byHash = new Map<string, KnownToken>();
  readonly sealNotice = new SealNotice<LiveOperator>();

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
    if (!isWellFormedToken('qmo', token)) return undefined;
    const hash = this.hash(token);
    const live = await this.#live(hash, catalog);
    const known = this.#byHash.get(hash.toString('latin1'));
    if (known !== undefined) known.digest ??= digestOf(token);
    return live;
  }

  /**
   * The operators that presented their token to this process, by the digest of the token. Those whose rights are not in memory are left out, because a
   * seal waits for no read.
   */
  presented(catalog: Catalog): ReadonlyMap<string, LiveOperator> {
    const operators = new Map<string, LiveOperator>();
    for (const [key, known] of this.#byHash) {
      const live = this.#inMemory(known, Buffer.from(key, 'latin1'), catalog);
      if (known.digest !== undefined && live !== undefined) operators.set(known.digest, live);
    }
    return operators;
  }

  /** Finds the same operator in its current state, with its current grants; undefined if its token has ended. */
  async again({ hash }: LiveOperator, catalog: Catalog): Promise<LiveOperator | undefined> {
    return this.#live(hash, catalog);
  }

  async #live(hash: Buffer, catalog: Catalog): Promise<LiveOperator | undefined> {
    const known = await this.#token(hash);
    if (known === undefined) return undefined;
    const { stored } = known;
    if (stored.spec.person !== undefined) return this.#inMemory(known, hash, catalog);
    const document = catalog.find('operator', stored.operator);
    if (document?.uid !== stored.operatorUid) return undefined;
    return this.liveOf(stored, await this.#granted(known, document), hash);
  }

  /** The operator, unless its rights in the current version of its document must be read from the store. */
  #inMemory(
    { stored, kept }: KnownToken,
    hash: Buffer,
    catalog: Catalog,
  ): LiveOperator | undefined {
    const { person } = stored.spec;
    if (person !== undefined) {
      // The name of an issuer that is configured for another address now means other people.
      if (this.#issuers.get(person.issuer)?.url !== person.issuerUrl) return undefined;
      return this.liveOf(stored, grantsOf(catalog.all('role-binding'), person), hash);
    }
    const document = catalog.find('operator', stored.operator);
    if (document?.uid !== stored.operatorUid || kept?.version !== document.version)
      return undefined;
    return this.liveOf(stored, narrowed(stored, kept.grants), hash);
  }

  /** The rights of a token of this operator now. */
  async grantsOf(
    stored: OperatorToken,
    operator: StoredDocument<'operator'>,
  ): Promise<readonly Grant[]> {
    return operator.uid === stored.operatorUid ? this.#granted({ stored }, operator) : [];
  }

  async #granted(
    known: KnownToken,
    operator: StoredDocument<'operator'>,
  ): Promise<readonly Grant[]> {
    const { version, spec } = operator;
    const { operatorVersion: first } = known.stored.spec;
    // Memory does not have the version yet at which another broker minted the token.
    if (first === undefined || first > version) return [];
    if (known.kept?.version !== version) {
      const grants =
        known.kept?.version === version - 1
          ? meetGrants(known.kept.grants, spec.grants)
          : await this.#keptSince(first, operator);
      known.kept = { version, grants };
    }
    return narrowed(known.stored, known.kept.grants);
  }

  /** The grants in all versions from `first` on. A version that is missing in the store leaves the token no rights. */
  async #keptSince(
    first: number,
    { name, uid, version: newest, spec: current }: StoredDocument<'operator'>,
  ): Promise<readonly Grant[]> {
    if (first === newest) return current.grants;
    const versions = new Map<number, Tables['document_versions']>();
    for await (const row of listAll(this.#store, DOCUMENT_VERSIONS.ofDocument('operator', name))) {
      if (row.uid !== uid || row.version > newest) continue;
      versions.set(row.version, row);
      if (row.version === first) break;
    }
    let kept = current.grants;
    for (let version = newest - 1; version >= first; version -= 1) {
      const row = versions.get(version);
      if (row === undefined) return [];
      kept = meetGrants(this.#grantsIn(row), kept);
    }
    return versions.has(first) ? kept : [];
  }

  /** A version that cannot be read gives nothing. */
  #grantsIn(row: Tables['document_versions']): readonly Grant[] {
    const { body } = openDocumentVersion(this.#keys.rows, row);
    try {
      return parseSpec('operator', body).grants;
    } catch {
      return [];
    }
  }

  liveOf(stored: OperatorToken, grants: readonly Grant[], hash: Buffer): LiveOperator {
    const { sourceCidrs, person, minters } = stored.spec;
    const { operator: name, id: tokenId, endsAt, senderKey: key } = stored;
    const operator: Operator = {
      kind: 'operator',
      name,
      tokenId,
      grants,
      sourceCidrs,
      endsAt,
      keyThumbprint: key?.thumbprint,
    };
    const elevated = this.#elevations?.elevationsOf(tokenId) ?? [];
    return new LiveOperator(operator, elevated, {
      hash,
      digest: this.#keys.digest,
      person,
      senderKey: key,
      minters,
    });
  }

  async #token(hash: Buffer): Promise<KnownToken | undefined> {
    const key = hash.toString('latin1');
    const known = this.#byHash.get(key);
    if (known !== undefined) return known;
    return readUnchanged(
      this.#store,
      () => this.#find(hash),
      (row) => {
        if (row === undefined) return undefined;
        const token: KnownToken = { stored: this.open(row) };
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
    for (const [key, { stored }] of this.#byHash) if (stored.id === id) this.#byHash.delete(key);
  }

  /** Reads a row. @throws ERR_CIPHERTEXT_INVALID for a row that the broker did not write. */
  open(row: Tables['operator_tokens']): OperatorToken {
    const { mac, ...fields } = row;
    this.#keys.rows.verify('operator_tokens', fields, mac);
    const { senderKey: key, ...spec } = JSON.parse(row.body) as StoredSpec;
    return {
      id: row.id,
      operator: row.operator,
      operatorUid: row.operator_uid,
      spec,
      createdAt: row.created_at,
      endsAt: row.ends_at,
      ...(key !== undefined && { senderKey: senderKey(key) }),
    };
  }

  rowOf(token: OperatorToken, hash: Uint8Array): Tables['operator_tokens'] {
    const fields = {
      id: token.id,
      operator: token.operator,
      operator_uid: token.operatorUid,
      hash,
      body: JSON.stringify(bodyOf(token)),
      created_at: token.createdAt,
      ends_at: token.endsAt,
    };
    return { ...fields, mac: this.#keys.rows.mac('operator_tokens', fields) };
  }
}

/** The grants of an operator that its token names. */
function narrowed(
  { spec: { grants: own } }: OperatorToken,
  grants: readonly Grant[],
): readonly Grant[] {
  return own === undefined ? grants : narrowGrants(grants, own);
}

/** The body of a row, whose MAC covers the key too. */
type StoredSpec = OperatorTokenSpec & { readonly senderKey?: Pick<SenderKey, 'x' | 'y'> };

function bodyOf({ spec, senderKey: key }: OperatorToken): StoredSpec {
  return key === undefined ? spec : { ...spec, senderKey: { x: key.x, y: key.y } };
}
