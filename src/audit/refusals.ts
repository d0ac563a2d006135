import type { Clock } from '../ports/clock.ts';

/** What one address was refused beyond its entries, in one window. */
export interface RefusalSummary {
  /** Undefined: addresses beyond those the table holds, counted together. */
  readonly address: string | undefined;
  readonly count: number;
  /** Milliseconds since the epoch: the start of the window. */
  readonly since: number;
}

export interface RefusalLimits {
  readonly entriesPerWindow: number;
  readonly windowSeconds: number;
}

const MOST_ADDRESSES = 10_000;
const MS = 1000;

/**
 * Refusals before authentication: the first few of each address and window are entries, the rest a number, so that garbage can
 * fill neither disk nor memory. When the table is full, further addresses share one row and its few entries.
 */
export class Refusals {
  readonly #limits: RefusalLimits;
  readonly #clock: Clock;
  readonly #emit: (summaries: readonly RefusalSummary[]) => void;
  #counts = new Map<string | undefined, number>();
  #since = 0;
  #cancel: (() => void) | undefined;

  /** `emit` gets a window's summaries when it is over, to record them. */
  constructor(
    limits: RefusalLimits,
    clock: Clock,
    emit: (summaries: readonly RefusalSummary[]) => void,
  ) {
    this.#limits = limits;
    this.#clock = clock;
    this.#emit = emit;
  }

  /** Whether this refusal is to be an entry of its own; otherwise it is counted. */
  admit(address: string): boolean {
    if (this.#cancel === undefined) this.#openWindow();
    const known = this.#counts.has(address) || this.#counts.size < MOST_ADDRESSES;
    const row = known ? address : undefined;
    const count = (this.#counts.get(row) ?? 0) + 1;
    this.#counts.set(row, count);
    return count <= this.#limits.entriesPerWindow;
  }

  /** Ends the window now: before the process stops, so that no count is lost. */
  flush(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    const summaries: RefusalSummary[] = [];
    for (const [address, seen] of this.#counts) {
      const count = seen - this.#limits.entriesPerWindow;
      if (count > 0) summaries.push({ address, count, since: this.#since });
    }
    this.#counts = new Map();
    if (summaries.length > 0) this.#emit(summaries);
  }

  #openWindow(): void {
    this.#since = this.#clock.now();
    this.#cancel = this.#clock.after(this.#limits.windowSeconds * MS, () => this.flush());
  }
}
