import { BrokerError } from '../domain/errors.ts';
import type { Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';
import type { Store } from '../ports/store.ts';
import type { RowGuard } from '../store/row-guard.ts';
import { checkRows } from '../store/state-check.ts';

const EVERY_MS = 60_000;
/** With many rows, the pause is this multiple of the check's duration. Checks then take one percent of the time. */
const SHARE = 100;

interface SweepDeps {
  readonly store: Store;
  readonly guard: RowGuard;
  readonly clock: Clock;
  readonly log: Log;
}

/** Compares all rows with their digests while the broker runs, because reads of other rows do not detect a deleted row. */
export class StateSweep {
  readonly #deps: SweepDeps;
  #cancel: () => void = () => undefined;
  #round: Promise<void> = Promise.resolve();
  #isStopped = false;

  constructor(deps: SweepDeps) {
    this.#deps = deps;
  }

  start(pauseMs = EVERY_MS): void {
    this.#cancel = this.#deps.clock.after(pauseMs, () => {
      this.#round = this.#check();
    });
  }

  /** Waits for the check in progress. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#cancel();
    await this.#round;
  }

  async #check(): Promise<void> {
    const { store, guard, clock, log } = this.#deps;
    const begun = clock.monotonic();
    try {
      for (const problem of await checkRows(store, guard)) guard.hold(problem);
    } catch (error) {
      // Without the keys no comparison is possible, and the broker serves nothing.
      if (error instanceof BrokerError && error.code === 'ERR_SEALED') return;
      log.warn({ err: error }, 'rows could not be compared with their digests; the broker retries');
    }
    const took = clock.monotonic() - begun;
    if (!this.#isStopped && !guard.isHeld) this.start(Math.max(EVERY_MS, took * SHARE));
  }
}
