import type { Clock } from '../../ports/clock.ts';

/** A proof is accepted from 5 s before its `iat` to 60 s after it: remembered for longer, it cannot come again. */
const GENERATION_MS = 66_000;

interface Bounds {
  readonly ofSession: number;
  readonly ofAll: number;
}

/** A session of 375 requests a second has room, and all together take 66 MB (measured: `jti` of 22 characters), 190 with the longest. */
const BOUNDS: Bounds = { ofSession: 50_000, ofAll: 1_000_000 };

type Generation = Map<string, Set<string>>;

/**
 * Which proofs this process has seen, by session and `jti` (RFC 9449 §11.1). Two generations: what was seen is known for one to two of
 * them, and forgotten without a look at each. Where there is no room it says so; nothing is forgotten for what is newer.
 */
export class ProofMemory {
  readonly #clock: Pick<Clock, 'monotonic'>;
  readonly #bounds: Bounds;
  #current: Generation = new Map();
  #previous: Generation = new Map();
  #counts = { current: 0, previous: 0 };
  #since: number;

  constructor(clock: Pick<Clock, 'monotonic'>, bounds: Bounds = BOUNDS) {
    this.#clock = clock;
    this.#bounds = bounds;
    this.#since = clock.monotonic();
  }

  knows(sessionId: string, jti: string): boolean {
    this.#turn();
    return [this.#current, this.#previous].some((seen) => seen.get(sessionId)?.has(jti) === true);
  }

  remember(sessionId: string, jti: string): 'new' | 'seen' | 'full' {
    if (this.knows(sessionId, jti)) return 'seen';
    const current = this.#current.get(sessionId);
    const known = (current?.size ?? 0) + (this.#previous.get(sessionId)?.size ?? 0);
    const all = this.#counts.current + this.#counts.previous;
    if (known >= this.#bounds.ofSession || all >= this.#bounds.ofAll) return 'full';
    if (current === undefined) this.#current.set(sessionId, new Set([jti]));
    else current.add(jti);
    this.#counts.current += 1;
    return 'new';
  }

  #turn(): void {
    const now = this.#clock.monotonic();
    const age = now - this.#since;
    if (age < GENERATION_MS) return;
    const isOld = age >= 2 * GENERATION_MS;
    this.#previous = isOld ? new Map<string, Set<string>>() : this.#current;
    this.#counts = { current: 0, previous: isOld ? 0 : this.#counts.current };
    this.#current = new Map();
    this.#since = now;
  }
}
