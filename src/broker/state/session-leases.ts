import type { Lease } from '../../domain/secrets/lease.ts';
import { openLease } from './lease-rows.ts';
import type { Query, Store } from '../../ports/store.ts';
import type { Tables } from '../../ports/tables.ts';
import { LEASES } from '../../ports/queries.ts';
import { interned } from '../kernel/interned.ts';
import { listAll } from '../kernel/list-all.ts';
import { readUnchanged } from '../kernel/read-unchanged.ts';

/**
 * A backend names its versions itself. At another mount, or at the locator of another `ref`, the same name is a version of
 * another secret.
 */
type LeaseVersionKey = Pick<Lease, 'mountUid' | 'path' | 'version' | 'generation'>;

/** The leases of one session, read once and then kept in memory. A change of kind `leases` makes it read them again. */
export class SessionLeases {
  readonly #sessionId: string;
  readonly #store: Store;
  /** Leases that a plan creates or extends that has not committed yet. */
  readonly #pending = new Set<Lease>();
  #byVersion: Map<string, Lease> | undefined;

  constructor(sessionId: string, store: Store) {
    this.#sessionId = sessionId;
    this.#store = store;
  }

  /** True once the leases are loaded. */
  get loaded(): boolean {
    return this.#byVersion !== undefined;
  }

  /** @throws ERR_BUSY if changes keep arriving. */
  async load(): Promise<void> {
    await readUnchanged(
      this.#store,
      () => this.#read(),
      (rows) => {
        if (this.#byVersion !== undefined) return;
        this.#byVersion = new Map();
        for (const row of rows) this.keep(shared(openLease(row)));
      },
    );
  }

  /**
   * Lists live leases first, then tombstones of revoked ones. If two replicas issued one each and one was revoked, the version is revoked.
   * Leases that the session ended itself are not read, because there can be any number of them.
   */
  async #read(): Promise<readonly Tables['leases'][]> {
    const live = await this.#list(LEASES.liveStaticOfSession(this.#sessionId));
    const revoked = await this.#list(LEASES.revokedStaticOfSession(this.#sessionId));
    // An expired lease stays live until the expiry worker ends it, so the lease with the later end wins.
    live.sort((one, other) => one.ends_at - other.ends_at);
    return [...live, ...revoked];
  }

  async #list(query: Query<'leases'>): Promise<Tables['leases'][]> {
    const rows: Tables['leases'][] = [];
    for await (const row of listAll(this.#store, query)) rows.push(row);
    return rows;
  }

  /** Finds the live lease, or the tombstone of a revoked one, for a version of a path. */
  find(place: LeaseVersionKey): Lease | undefined {
    return this.#byVersion?.get(key(place));
  }

  keep(lease: Lease): void {
    if (lease.state === 'ended' && lease.cause !== 'revoked') return;
    this.#byVersion?.set(interned(key(lease)), lease);
  }

  /** Keeps a lease that a plan is about to commit, so that reads in the same event loop turn share it. */
  propose(lease: Lease): void {
    this.#pending.add(lease);
    this.keep(lease);
  }

  isPending(lease: Lease): boolean {
    return this.#pending.has(lease);
  }

  committed(lease: Lease): void {
    this.#pending.delete(lease);
  }

  /** Restores the previous lease, because the plan did not commit. */
  undo(lease: Lease, before: Lease | undefined): void {
    this.#pending.delete(lease);
    const at = key(lease);
    if (this.#byVersion?.get(at) !== lease) return;
    if (before === undefined) this.#byVersion.delete(at);
    else this.#byVersion.set(at, before);
  }

  forget(): void {
    this.#byVersion = undefined;
  }
}

/** The lease with the texts that many leases have in common, so that memory has each once. */
function shared(lease: Lease): Lease {
  const { workload, cluster, podUid, path, mountUid, version, generation } = lease;
  return {
    ...lease,
    workload: interned(workload),
    cluster: interned(cluster),
    podUid: podUid && interned(podUid),
    path: interned(path),
    mountUid: interned(mountUid),
    version: interned(version),
    generation: interned(generation),
  };
}

function key({ mountUid, path, version, generation }: LeaseVersionKey): string {
  return `${mountUid}\n${generation}\n${path}\n${version}`;
}
