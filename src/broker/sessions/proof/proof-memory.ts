import type { Session } from '../../../domain/principal.ts';
import { workloadId } from '../../../domain/workload.ts';
import type { Clock } from '../../../ports/clock.ts';

/** A proof is accepted from 5 s before its `iat` to 60 s after it: remembered for longer, it cannot come again. */
const GENERATION_MS = 66_000;

interface Bounds {
  readonly ofSession: number;
  /** All sessions of a workload: whoever may log in as often as he likes still has a part only. */
  readonly ofWorkload: number;
  readonly ofAll: number;
}

/**
 * A session of 375 requests a second has room, and a workload of 1,900; four such workloads ask for more than a process can verify.
 * All together take 66 MB (measured: `jti` of 22 characters), 190 with the longest.
 */
const BOUNDS: Bounds = { ofSession: 50_000, ofWorkload: 250_000, ofAll: 1_000_000 };

type Holder = Pick<Session, 'id' | 'workload'>;

/** What was seen within one span of time. */
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

/**
 * Which proofs this process has seen, by session and `jti` (RFC 9449 §11.1). Two generations: what was seen is known for one to two of
 * them, and forgotten without a look at each. Where there is no room it says so; nothing is forgotten for what is newer.
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
