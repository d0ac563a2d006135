import type { Clock } from '../../ports/clock.ts';

/** A proof is accepted from 5 s before its `iat` to 60 s after it. The memory keeps it for longer, so it cannot be replayed. */
const GENERATION_MS = 66_000;

interface Bounds {
  readonly ofSession: number;
  /** All sessions of a workload or person: one that logs in without limit still gets only this share. */
  readonly ofOwner: number;
  readonly ofAll: number;
}

/**
 * Bounds that suffice for a session at 375 requests a second and a workload at 1,900. Four such workloads send more than a
 * process can verify. All together take 66 MB (measured: `jti` of 22 characters), 190 MB with the longest.
 */
const BOUNDS: Bounds = { ofSession: 50_000, ofOwner: 250_000, ofAll: 1_000_000 };

/** A session that is bound to a key, of a workload or a person, and its owner: all sessions of one owner share a bound. */
export interface Holder {
  readonly id: string;
  readonly owner: string;
}

/** The proofs that were seen within one span of time. */
class Generation {
  readonly bySession = new Map<string, Set<string>>();
  readonly #byOwner = new Map<string, number>();
  size = 0;

  ofSession(id: string): number {
    return this.bySession.get(id)?.size ?? 0;
  }

  ofOwner(id: string): number {
    return this.#byOwner.get(id) ?? 0;
  }

  add({ id: sessionId, owner }: Holder, jti: string): void {
    const known = this.bySession.get(sessionId);
    if (known === undefined) this.bySession.set(sessionId, new Set([jti]));
    else known.add(jti);
    this.#byOwner.set(owner, this.ofOwner(owner) + 1);
    this.size += 1;
  }
}

/** Refuses repeated proofs. */
export interface Proofs {
  readonly proofs: ProofMemory;
}

/**
 * The proofs that this process has seen, by session and `jti` (RFC 9449 §11.1). There are two generations. A proof is known for one to two
 * of them, and is forgotten without a scan of single proofs. If the memory is full, it reports `full`; it never drops an older proof for a
 * newer one.
 */
export class ProofMemory {
  readonly #clock: Pick<Clock, 'monotonic'>;
  readonly #bounds: Bounds;
  #current = new Generation();
  #previous = new Generation();
  #since: number;

  constructor(clock: Pick<Clock, 'monotonic'>, bounds: Bounds = BOUNDS) {
    this.#clock = clock;
    this.#bounds = bounds;
    this.#since = clock.monotonic();
  }

  knows(sessionId: string, jti: string): boolean {
    this.#turn();
    return [this.#current, this.#previous].some(
      ({ bySession }) => bySession.get(sessionId)?.has(jti) === true,
    );
  }

  remember(holder: Holder, jti: string): 'new' | 'seen' | 'full' {
    if (this.knows(holder.id, jti)) return 'seen';
    if (!this.#hasRoom(holder)) return 'full';
    this.#current.add(holder, jti);
    return 'new';
  }

  #hasRoom({ id: sessionId, owner }: Holder): boolean {
    const [current, previous] = [this.#current, this.#previous];
    const { ofSession, ofOwner, ofAll } = this.#bounds;
    return (
      current.ofSession(sessionId) + previous.ofSession(sessionId) < ofSession &&
      current.ofOwner(owner) + previous.ofOwner(owner) < ofOwner &&
      current.size + previous.size < ofAll
    );
  }

  #turn(): void {
    const now = this.#clock.monotonic();
    const age = now - this.#since;
    if (age < GENERATION_MS) return;
    this.#previous = age >= 2 * GENERATION_MS ? new Generation() : this.#current;
    this.#current = new Generation();
    this.#since = now;
  }
}
