import type { Clock } from '../../ports/clock.ts';
import type { Holding } from './holdings/holding.ts';
import type { Refusal } from './holdings/holdings.ts';

/** What was read within this is fresh: a program that asks in a loop must not make the agent do the same. */
const FRESH_MS = 1_000;

/** A fresh value was asked for, and what is held is not known to be one. */
export class NotRefreshed extends Error {
  constructor() {
    super('the broker could not be asked');
    this.name = 'NotRefreshed';
  }
}

interface Answer {
  /** When it was asked for: monotonic milliseconds. */
  readonly at: number;
  readonly isMissing: boolean;
}

/** Who asked for fresh values, and waits: all who ask for one at a time wait for one read, and there is at most one a second. */
export class Refreshes {
  readonly #clock: Clock;
  readonly #waiting = new Map<Holding, PromiseWithResolvers<undefined>>();
  readonly #answers = new Map<Holding, Answer>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Whether what is held is fresh. @throws NotRefreshed where the broker was asked just now, and had no answer */
  isFresh(holding: Holding): boolean {
    const answer = this.#answers.get(holding);
    if (answer === undefined || this.#clock.monotonic() - answer.at >= FRESH_MS) return false;
    if (answer.isMissing) throw new NotRefreshed();
    return true;
  }

  /** Until a read is over that begins from now on. @throws NotRefreshed */
  async next(holding: Holding): Promise<void> {
    const waiting = this.#waiting.get(holding) ?? Promise.withResolvers<undefined>();
    this.#waiting.set(holding, waiting);
    await waiting.promise;
  }

  /** A read begins. @returns what is to be called at its end: with what was refused, or with nothing where there was no answer at all */
  begin(list: readonly Holding[]): (refusals?: readonly Refusal[]) => void {
    const at = this.#clock.monotonic();
    const asked = list.map((holding) => ({ holding, waiting: this.#waiting.get(holding) }));
    for (const holding of list) this.#waiting.delete(holding);
    return (refusals) => {
      for (const { holding, waiting } of asked) {
        const isMissing = refusals?.some(
          (refusal) => refusal.holding === holding && refusal.kind !== 'denied',
        );
        this.#answers.set(holding, { at, isMissing: isMissing ?? true });
        if (isMissing === false) waiting?.resolve(undefined);
        else waiting?.reject(new NotRefreshed());
      }
    };
  }

  /** Nobody can be asked now. */
  fail(): void {
    for (const { reject } of this.#waiting.values()) reject(new NotRefreshed());
    this.#waiting.clear();
  }
}
