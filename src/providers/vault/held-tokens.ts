import type { Sensitive } from '../../domain/sensitive.ts';
import type { Clock } from '../../ports/clock.ts';

const MOST_HELD = 10_000;

interface Held {
  readonly token: Sensitive<string>;
  readonly until: number;
}

/** Orphan tokens between `prepare` and `issue`, by intent: in memory only, taken once, forgotten when they have ended by themselves. */
export class HeldTokens {
  readonly #clock: Clock;
  readonly #held = new Map<string, Held>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  hold(intent: string, token: Sensitive<string>, seconds: number): void {
    this.#forgetEnded();
    this.#held.delete(intent);
    this.#held.set(intent, { token, until: this.#clock.monotonic() + seconds * 1000 });
  }

  take(intent: string): Sensitive<string> | undefined {
    const held = this.#held.get(intent);
    this.#held.delete(intent);
    return held !== undefined && held.until > this.#clock.monotonic() ? held.token : undefined;
  }

  clear(): void {
    this.#held.clear();
  }

  /** In the order of holding, which is nearly that of ending; beyond the bound the oldest goes. */
  #forgetEnded(): void {
    const now = this.#clock.monotonic();
    for (const [intent, held] of this.#held) {
      if (held.until > now && this.#held.size < MOST_HELD) return;
      this.#held.delete(intent);
    }
  }
}
