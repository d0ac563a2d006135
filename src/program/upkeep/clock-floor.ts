import type { Log } from '../../ports/log.ts';
import type { Store } from '../../ports/store.ts';
import { LOG } from '../../ports/queries.ts';
import type { Clock } from '../../ports/clock.ts';

/** The clocks of replicas differ by less than this. */
const NOTABLE_MS = 60_000;
const MOST_CHECKPOINTS = 100;

interface TimeDeps {
  readonly clock: Clock & {
    /** Keeps the clock from showing a time before this one. */
    notBefore(time: number): void;
  };
  readonly log: Log;
  readonly trustClock?: boolean;
}

/** Continues time from the newest checkpoint of the log. A clock that was set back before the start therefore cannot extend any lifetime. */
export async function continueTime(
  store: Pick<Store, 'list'>,
  { clock, log, trustClock = false }: TimeDeps,
): Promise<void> {
  const checkpoints = await store.list(LOG.newestCheckpoints(), { limit: MOST_CHECKPOINTS });
  // A checkpoint behind a backlog that was never fully integrated has no time.
  const newest = checkpoints.find(({ at }) => at > 0)?.at ?? 0;
  const behind = newest - clock.now();
  if (behind <= 0 || trustClock) return;
  clock.notBefore(newest);
  if (behind < NOTABLE_MS) return;
  const fields = { behindSeconds: Math.round(behind / 1000), newest: new Date(newest) };
  log.error(fields, CLOCK_BEHIND);
}

const CLOCK_BEHIND =
  'the system clock is behind the newest entry of the log, from which the broker counts on: set the clock. If the entry is wrong, start with --trust-clock';
