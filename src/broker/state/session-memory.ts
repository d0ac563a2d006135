import { LRUCache } from 'lru-cache';
import type { Session } from '../../domain/identity/principal.ts';
import { accountOf, workloadId, type Workload } from '../../domain/identity/workload.ts';
import {
  sharedViewFor,
  type CompiledPolicies,
  type WorkloadView,
} from '../../domain/policy/index.ts';
import type { Store } from '../../ports/store.ts';
import { macColumns, type Tables } from '../../ports/tables.ts';
import { SESSIONS } from '../../ports/queries.ts';
import { hmac } from '../../crypto/hashes/digest.ts';
import { senderKey, senderKeyText } from '../../crypto/keys/sender-key.ts';
import type { SenderKey } from '../../domain/identity/sender-key.ts';
import type { Keyring } from '../../crypto/keys/keyring.ts';
import { isWellFormedToken } from '../../crypto/random/token.ts';
import type { EncodedActor } from '../../domain/audit/audit-event.ts';
import type { TextDigest } from '../../domain/audit/audit-text.ts';
import { encodeActor } from '../../domain/audit/audit-event.ts';
import { lruOptions } from '../kernel/lru-options.ts';
import { readUnchanged } from '../kernel/read-unchanged.ts';
import type { KeyringRowMacs } from '../kernel/row-macs.ts';
import { SessionLeases } from './session-leases.ts';

const MAX_CACHED = 50_000;

/** A session in use, with its policy view and its leases. */
export class LiveSession {
  readonly session: Session;
  /** The key of everything counted for the workload: leases and rates. */
  readonly workloadId: string;
  /** The actor part of every audit entry, encoded once. */
  readonly actor: EncodedActor;
  readonly leases: SessionLeases;
  /** Fence keys that every action of this session depends on. */
  readonly fences: readonly string[];
  /** Fence keys of its identity: a login depends on them. */
  readonly identityFences: readonly string[];
  /** Keyed hash of its token. */
  readonly hash: Buffer;
  /** True if changes still reach this object. After it left memory, its content may be outdated. */
  isFollowed = false;
  #view: WorkloadView | undefined;

  constructor(session: Session, hash: Buffer, store: Store, digest: TextDigest) {
    const { cluster, pod } = session.workload;
    this.session = session;
    this.workloadId = workloadId(session.workload);
    this.hash = hash;
    this.actor = encodeActor(
      { kind: 'workload', workload: session.workload, session: session.id },
      digest,
    );
    this.leases = new SessionLeases(session.id, store);
    this.identityFences = [
      `cluster:${cluster}`,
      `session:${session.id}`,
      `workload:${this.workloadId}`,
      ...(pod === undefined ? [] : [`pod:${cluster}/${pod.uid}`]),
    ];
    this.fences = ['policies:all', 'mounts:all', `leases:${session.id}`, ...this.identityFences];
  }

  view(policies: CompiledPolicies): WorkloadView {
    if (this.#view?.revision !== policies.revision) {
      this.#view = sharedViewFor(policies, this.session.workload);
    }
    return this.#view;
  }
}

export interface SessionKeys {
  readonly keyring: Keyring;
  readonly rows: KeyringRowMacs;
  readonly digest: TextDigest;
}

/** Memory of sessions by the keyed hash of their token; rows are opened once and kept until a change names them. */
export class Sessions {
  readonly #store: Store;
  readonly #keys: SessionKeys;
  readonly #byHash: LRUCache<string, LiveSession>;
  readonly #hashOf = new Map<string, string>();

  constructor(store: Store, keys: SessionKeys) {
    this.#store = store;
    this.#keys = keys;
    this.#byHash = new LRUCache<string, LiveSession>({
      ...lruOptions(MAX_CACHED),
      dispose: (live) => {
        live.isFollowed = false;
        this.#hashOf.delete(live.session.id);
      },
    });
  }

  /** The keyed hash by which the row of a session is found. */
  hash(token: string): Buffer {
    return hmac(this.#keys.keyring.lookup.keyFor('sessionToken'), token);
  }

  /** Reads memory only: the hot path. `undefined` does not mean that the session does not exist. */
  cached(hash: Buffer): LiveSession | undefined {
    return this.#byHash.get(hash.toString('latin1'));
  }

  /** The session of a well-formed token, if there is one. The caller must check whether it has expired. */
  async find(token: string): Promise<LiveSession | undefined> {
    if (!isWellFormedToken('qms', token)) return undefined;
    const hash = this.hash(token);
    return this.cached(hash) ?? this.#load(hash);
  }

  /** A session that was found before, in its current state; undefined if it has ended. */
  async again({ hash }: Pick<LiveSession, 'hash'>): Promise<LiveSession | undefined> {
    return this.cached(hash) ?? this.#load(hash);
  }

  async #load(hash: Buffer): Promise<LiveSession | undefined> {
    return readUnchanged(
      this.#store,
      () => this.#find(hash),
      (row) => (row === undefined ? undefined : this.#keep(hash, this.open(row))),
    );
  }

  /**
   * Finds the row of a session. If an `ended_sessions` row exists, the session ended before its expiry and an attacker restored
   * its row.
   */
  async #find(hash: Buffer): Promise<Tables['sessions'] | undefined> {
    const [row] = await this.#store.list(SESSIONS.byHash(hash), { limit: 1 });
    if (row === undefined) return undefined;
    const ended = await this.#store.get('ended_sessions', { id: row.id });
    return ended === undefined ? row : undefined;
  }

  #keep(hash: Buffer, session: Session): LiveSession {
    const key = hash.toString('latin1');
    const known = this.#byHash.get(key);
    if (known !== undefined) return known;
    const live = new LiveSession(session, hash, this.#store, this.#keys.digest);
    live.isFollowed = true;
    this.#byHash.set(key, live);
    this.#hashOf.set(session.id, key);
    return live;
  }

  /** Forgets all sessions, so that each is looked up and verified again. */
  clear(): void {
    this.#byHash.clear();
  }

  /** Forgets a session; called for every change of kind `session` or `leases`. */
  changed(kind: 'session' | 'leases', id: string): void {
    const key = this.#hashOf.get(id);
    if (key === undefined) return;
    if (kind === 'leases') {
      this.#byHash.get(key)?.leases.forget();
      return;
    }
    this.#byHash.delete(key);
  }

  /** @throws ERR_CIPHERTEXT_INVALID for a row that the broker did not write. */
  open(row: Tables['sessions']): Session {
    const { sender_key: key } = row;
    this.#keys.rows.verify('sessions', macColumns(row), row.mac);
    const { source, ...workload } = JSON.parse(row.body) as Workload & Pick<Session, 'source'>;
    return {
      kind: 'workload',
      id: row.id,
      workload,
      source,
      clusterUid: row.cluster_uid,
      createdAt: row.created_at,
      endsAt: row.ends_at,
      ...(key !== null && { senderKey: senderKey(JSON.parse(key) as SenderKey) }),
    };
  }

  rowOf(session: Session, hash: Uint8Array): Tables['sessions'] {
    const { workload, source } = session;
    const account = accountOf(workload);
    const fields = {
      id: session.id,
      hash,
      cluster: workload.cluster,
      cluster_uid: session.clusterUid,
      namespace: account.namespace,
      service_account: account.serviceAccount,
      pod_uid: workload.pod?.uid ?? null,
      body: JSON.stringify({ ...workload, source }),
      created_at: session.createdAt,
      ends_at: session.endsAt,
      sender_key: session.senderKey === undefined ? null : senderKeyText(session.senderKey),
    };
    return { ...fields, mac: this.#keys.rows.mac('sessions', macColumns(fields)) };
  }
}
