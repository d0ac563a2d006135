import type { Lease } from '../../domain/lease.ts';
import { openLease } from './lease-rows.ts';
import type { Store } from '../../ports/store.ts';

const MOST = 10_000;

/** The leases of one session, read once and then kept; a change of kind `leases` makes it read them again. */
export class SessionLeases {
  readonly #sessionId: string;
  readonly #store: Store;
  /** Made or extended by a plan that has not committed yet. */
  readonly #pending = new Set<Lease>();
  #byVersion: Map<string, Lease> | undefined;

  constructor(sessionId: string, store: Store) {
    this.#sessionId = sessionId;
    this.#store = store;
  }

  /** Undefined until loaded. */
  get loaded(): boolean {
    return this.#byVersion !== undefined;
  }

  async load(): Promise<void> {
    while (this.#byVersion === undefined) {
      const seen = this.#store.seq();
      const rows = await this.#store.list('leases', {
        equals: { session_id: this.#sessionId, kind: 'static' },
        limit: MOST,
      });
      if (this.#store.seq() !== seen) continue;
      this.#byVersion = new Map();
      for (const row of rows) this.keep(openLease(row));
    }
  }

  /** The live lease, or the tombstone of a revoked one, for a version of a path. */
  find(path: string, version: string): Lease | undefined {
    return this.#byVersion?.get(key(path, version));
  }

  keep(lease: Lease): void {
    if (lease.state === 'ended' && lease.cause !== 'revoked') return;
    this.#byVersion?.set(key(lease.path, lease.version), lease);
  }

  /** Keeps what a plan is about to commit, so that reads of the same loop turn share it. */
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

  /** The plan did not commit. */
  undo(lease: Lease, before: Lease | undefined): void {
    this.#pending.delete(lease);
    const at = key(lease.path, lease.version);
    if (this.#byVersion?.get(at) !== lease) return;
    if (before === undefined) this.#byVersion.delete(at);
    else this.#byVersion.set(at, before);
  }

  forget(): void {
    this.#byVersion = undefined;
  }
}

function key(path: string, version: string): string {
  return `${path}\n${version}`;
}
