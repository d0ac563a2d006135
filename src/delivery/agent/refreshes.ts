import type { Clock } from '../../ports/clock.ts';
import type { Holding } from './holdings/holding.ts';
import type { Refusal } from './holdings/holdings.ts';

/** A value that was fetched within this time is fresh: a program that asks in a loop must not make the agent call the broker in a loop. */
const FRESH_MS = 1_000;

/** A caller asked for a fresh value, and the broker could not be asked. */
export class NotRefreshed extends Error {
  constructor() {
    super('the broker could not be asked');
    this.name = 'NotRefreshed';
  }
}

interface Answer {
  /** Time of the request: monotonic milliseconds. */
  readonly at: number;
  readonly isMissing: boolean;
}

/** Requests for fresh values. All that wait for the same secret share one fetch, and there is at most one a second. */
export class Refreshes {
  readonly #clock: Clock;
  readonly #waiting = new Map<Holding, PromiseWithResolvers<undefined>>();
  readonly #answers = new Map<Holding, Answer>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Reports whether the agent's value is fresh. @throws NotRefreshed if the broker was asked within the last second and did not
   * answer
   */
  isFresh(holding: Holding): boolean {
    const answer = this.#answers.get(holding);
    if (answer === undefined || this.#clock.monotonic() - answer.at >= FRESH_MS) return false;
    if (answer.isMissing) throw new NotRefreshed();
    return true;
  }

  /** Resolves after a fetch that begins from now on. @throws NotRefreshed */
  async next(holding: Holding): Promise<void> {
    const waiting = this.#waiting.get(holding) ?? Promise.withResolvers<undefined>();
    this.#waiting.set(holding, waiting);
    await waiting.promise;
  }

  /** A fetch begins. @returns to be called at its end: with the refusals, or without an argument if there was no answer */
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

  /** The broker cannot be asked now. */
  fail(): void {
    for (const { reject } of this.#waiting.values()) reject(new NotRefreshed());
    this.#waiting.clear();
  }
}
