import type { Clock } from '../../ports/clock.ts';
import type { Log } from '../../ports/log.ts';
import { RepeatedCheck } from './repeated-check.ts';

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
export class ClockWatch extends RepeatedCheck {
  readonly #deps: ClockWatchDeps;
  #state: 'right' | 'ahead' | 'known' = 'right';

  constructor(deps: ClockWatchDeps) {
    super(deps.clock, EVERY_MS);
    this.#deps = deps;
  }

  get aheadMs(): number {
    return this.#deps.clock.aheadOfSystem();
  }

  override warnings(): readonly string[] {
    return this.aheadMs > NOTABLE_MS ? ['clock_ahead'] : [];
  }

  protected override check(): void {
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
