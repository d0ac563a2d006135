import type { Session } from '../../domain/identity/principal.ts';
import { workloadId } from '../../domain/identity/workload.ts';
import type { Clock } from '../../ports/clock.ts';

/** A proof is accepted from 5 s before its `iat` to 60 s after it. The memory keeps it for longer, so it cannot be replayed. */
const GENERATION_MS = 66_000;

interface Bounds {
  readonly ofSession: number;
  /** All sessions of a workload: a workload that logs in without limit still gets only this share. */
  readonly ofWorkload: number;
  readonly ofAll: number;
}

/**
 * Bounds that suffice for a session at 375 requests a second and a workload at 1,900. Four such workloads send more than a
 * process can verify. All together take 66 MB (measured: `jti` of 22 characters), 190 MB with the longest.
 */
const BOUNDS: Bounds = { ofSession: 50_000, ofWorkload: 250_000, ofAll: 1_000_000 };

type Holder = Pick<Session, 'id' | 'workload'>;

/** The proofs that were seen within one span of time. */
class Generation {
  readonly bySession = new Map<string, Set<string>>();
  readonly #byWorkload = new Map<string, number>();
  size = 0;

  ofSession(id: string): number {
    return this.bySession.get(id)?.size ?? 0;
  }

  ofWorkload(id: string): number {
    return this.#byWorkload.get(id) ?? 0;
  }

  add(sessionId: string, workload: string, jti: string): void {
    const known = this.bySession.get(sessionId);
    if (known === undefined) this.bySession.set(sessionId, new Set([jti]));
    else known.add(jti);
    this.#byWorkload.set(workload, this.ofWorkload(workload) + 1);
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

  remember({ id, workload }: Holder, jti: string): 'new' | 'seen' | 'full' {
    if (this.knows(id, jti)) return 'seen';
    const owner = workloadId(workload);
    if (!this.#hasRoom(id, owner)) return 'full';
    this.#current.add(id, owner, jti);
    return 'new';
  }

  #hasRoom(sessionId: string, workload: string): boolean {
    const [current, previous] = [this.#current, this.#previous];
    const { ofSession, ofWorkload, ofAll } = this.#bounds;
    return (
      current.ofSession(sessionId) + previous.ofSession(sessionId) < ofSession &&
      current.ofWorkload(workload) + previous.ofWorkload(workload) < ofWorkload &&
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
