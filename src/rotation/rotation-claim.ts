import type { Backends, Storage } from '../broker/state/dependencies.ts';

import { randomId } from '../crypto/random/random.ts';
import { BrokerError } from '../domain/errors.ts';
import type { CallContext } from '../ports/call-context.ts';
import type { Clock } from '../ports/clock.ts';
import { ROTATIONS } from '../ports/queries.ts';
import type { RotationRow } from './rotation-row.ts';

/** Duration of a claim. */
export const CLAIM_MS = 60_000;
/** Limit of one step: less than the claim, so that a request sent at the last moment arrives before another process takes over. */
export const STEP_MS = 30_000;

/**
 * The time of one step under a claim, by both clocks: other processes compare the wall clock, and the monotonic clock does not jump. A process that was
 * paused finds both over.
 */
export class RotationClaim {
  readonly context: CallContext;
  readonly #clock: Clock;
  readonly #wallEnd: number;
  readonly #monotonicEnd: number;
  readonly #late = new AbortController();
  readonly #cancel: () => void;
  #isOver = false;

  constructor(clock: Clock, signal: AbortSignal) {
    this.#clock = clock;
    this.#wallEnd = clock.now() + STEP_MS;
    this.#monotonicEnd = clock.monotonic() + STEP_MS;
    this.#cancel = clock.after(STEP_MS, () =>
      this.#late.abort(new BrokerError('ERR_PROVIDER_TIMEOUT')),
    );
    this.context = {
      requestId: randomId('req'),
      signal: AbortSignal.any([signal, this.#late.signal]),
    };
  }

  /** @throws ERR_CONFLICT `claim_lost` if another process may have taken the rotation over. */
  stillOurs(): void {
    const isLate =
      this.#clock.now() >= this.#wallEnd || this.#clock.monotonic() >= this.#monotonicEnd;
    if (!this.#isOver && !isLate && !this.context.signal.aborted) return;
    throw new BrokerError('ERR_CONFLICT', 'the claim on the rotation is over', {
      reason: 'claim_lost',
    });
  }

  /** The result of `work`, or a rejection when the step's time is over: work that hangs is abandoned and can change nothing more. */
  async runWithin<T>(work: () => Promise<T>): Promise<T> {
    const { signal } = this.context;
    // The process may have been paused, or begun to stop, since the start was recorded.
    signal.throwIfAborted();
    this.stillOurs();
    const { promise, reject } = Promise.withResolvers<never>();
    const end = (): void => reject(signal.reason as Error);
    signal.addEventListener('abort', end, { once: true });
    const started = work();
    started.catch(() => undefined);
    try {
      return await Promise.race([started, promise]);
    } finally {
      this.end();
      signal.removeEventListener('abort', end);
      promise.catch(() => undefined);
    }
  }

  /** Ends the claim: from now on `stillOurs` throws, so abandoned work changes nothing more. */
  end(): void {
    this.#isOver = true;
    this.#cancel();
  }
}

const PAGE = 200;

type Places = Storage & Pick<Backends, 'targets'>;

/**
 * Reports whether a connection has as many claimed rotations as its cap allows, in all processes together; found by the index of
 * due times, because a claim is a due time. A process checks before its claim and again after the claim is committed, and gives
 * the claim up if the cap is exceeded. Of all that keep their claims, the last to commit saw the others, so together they stay
 * within the cap.
 */
export async function isOverCap(
  { store, clock, targets }: Places,
  { id, connection }: Pick<RotationRow, 'id' | 'connection'>,
): Promise<boolean> {
  const now = clock.now();
  const most = targets.concurrency(connection);
  let others = 0;
  // Twice the claim, because clocks of processes differ. A later due time is not a claim.
  const claimed = ROTATIONS.claimed(connection, now, now + 2 * CLAIM_MS);
  let after: RotationRow | undefined;
  for (;;) {
    const rows: readonly RotationRow[] = await store.list(claimed, { limit: PAGE, after });
    others += rows.filter((row) => row.id !== id && row.owner !== null).length;
    if (others >= most) return true;
    after = rows.at(-1);
    if (after === undefined || rows.length < PAGE) return false;
  }
}
