import { RepeatedWork } from '../ports/repeated-work.ts';
import type { Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';

const EVERY_MS = 5_000;
/** Clocks that are corrected in small steps differ by less. */
const NOTABLE_MS = 60_000;

interface ClockWatchDeps {
  readonly clock: Clock & {
    aheadOfSystem(): number;
    ahead(): number;
  };
  readonly log: Log;
}

/** Notices when the time of the broker is ahead of the system clock, and logs it. */
export class ClockWatch {
  readonly #deps: ClockWatchDeps;
  readonly #work: RepeatedWork;
  #state: 'right' | 'ahead' | 'known' = 'right';

  constructor(deps: ClockWatchDeps) {
    this.#deps = deps;
    this.#work = new RepeatedWork({
      clock: deps.clock,
      run: () => {
        this.#check();
        return Promise.resolve(EVERY_MS);
      },
      onError: () => EVERY_MS,
    });
  }

  start(): void {
    void this.#work.runNow();
  }

  stop(): Promise<void> {
    return this.#work.stop();
  }

  get aheadMs(): number {
    return this.#deps.clock.aheadOfSystem();
  }

  warnings(): readonly string[] {
    return this.aheadMs > NOTABLE_MS ? ['clock_ahead'] : [];
  }

  #check(): void {
    const { clock, log } = this.#deps;
    const { aheadMs } = this;
    const state = aheadMs <= NOTABLE_MS ? 'right' : clock.ahead() > 0 ? 'known' : 'ahead';
    if (state === this.#state) return;
    this.#state = state;
    const fields = { aheadSeconds: Math.round(aheadMs / 1000) };
    if (state === 'ahead') log.error(fields, AHEAD);
    if (state === 'known') log.warn(fields, KNOWN);
    if (state === 'right')
      log.info(fields, 'the system clock agrees with the time of the broker again');
  }
}

const AHEAD =
  'the time of the broker is ahead of the system clock, because that clock was ahead before: logins may be refused as expired; see "A clock that was set back" in docs/operations.md';
const KNOWN =
  'the system clock is back at the time before its jump: logins and proofs are judged by it again; a restart with --trust-clock sets the time of the broker back';
