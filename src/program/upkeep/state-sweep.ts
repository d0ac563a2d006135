import type { Clock } from '../../ports/clock.ts';
import type { Log } from '../../ports/log.ts';
import { RepeatedWork } from '../../ports/repeated-work.ts';
import type { Store } from '../../ports/store.ts';
import type { RowGuard } from '../../store/guard/row-guard.ts';
import { checkRows } from '../../store/guard/state-check.ts';

const EVERY_MS = 60_000;
/** The start ends before reads of many rows compete with it. */
const FIRST_MS = 200;
/** Time until the retry of a check for which reads wait. */
const RETRY_MS = 1_000;
/** Multiple of a check's duration that the pause after it lasts if there are many rows. Checks then take one percent of the time. */
const SHARE = 100;

interface SweepDeps {
  readonly store: Store;
  readonly guard: RowGuard;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * Compares all rows with their digests while the broker runs, because reads of other rows do not detect a deleted row. It begins with the kinds that
 * the start left out, for which reads wait.
 */
export class StateSweep {
  readonly #deps: SweepDeps;
  readonly #work: RepeatedWork;

  constructor(deps: SweepDeps) {
    const { clock, log } = deps;
    this.#deps = deps;
    this.#work = new RepeatedWork({
      clock,
      run: () => this.#check(),
      onError: (error) => {
        log.warn(
          { err: error },
          'rows could not be compared with their digests; the broker retries',
        );
        return deps.guard.unproven.length > 0 ? RETRY_MS : EVERY_MS;
      },
    });
  }

  start(): void {
    this.#work.startAfter(this.#deps.guard.unproven.length > 0 ? FIRST_MS : EVERY_MS);
  }

  /** Waits for the check in progress. */
  async close(): Promise<void> {
    await this.#work.stop();
  }

  /** @returns the pause before the next check; undefined if there is none. */
  async #check(): Promise<number | undefined> {
    const { store, guard, clock, log } = this.#deps;
    const begun = clock.monotonic();
    const { unproven } = guard;
    const kinds = unproven.length > 0 ? unproven : undefined;
    try {
      for (const problem of await checkRows(store, guard, kinds)) guard.hold(problem);
      if (!guard.isHeld) for (const kind of unproven) guard.prove(kind);
    } catch (error) {
      // Without the keys no comparison is possible, and the broker serves nothing.
      if (!guard.refuseUnprovenIfSealed()) throw error;
      return undefined;
    }
    const took = clock.monotonic() - begun;
    if (unproven.length > 0)
      log.info(
        { kinds: unproven, ms: Math.round(took) },
        'many rows were compared after the start',
      );
    return guard.isHeld ? undefined : Math.max(EVERY_MS, took * SHARE);
  }
}
