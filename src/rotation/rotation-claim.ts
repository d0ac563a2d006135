import type { Parts } from '../broker/parts.ts';
import { randomId } from '../crypto/random.ts';
import { BrokerError } from '../domain/errors.ts';
import type { CallContext } from '../ports/call-context.ts';
import type { Clock } from '../ports/clock.ts';
import type { RotationRow } from './rotation-row.ts';

/** How long a claim holds; who finds a rotation claimed waits for the end. */
export const CLAIM_MS = 60_000;
/** How long one step may take. Less than the claim by so much that what was sent in its last moment has arrived before anybody takes over. */
export const STEP_MS = 30_000;

/**
 * One step's time under a claim, by both clocks: the wall clock is what others compare, the monotonic one is not moved by a jump, and a process that
 * was stopped finds both run out.
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

  /** @throws ERR_CONFLICT `claim_lost` when another process may carry the rotation on by now. */
  stillOurs(): void {
    const isLate =
      this.#clock.now() >= this.#wallEnd || this.#clock.monotonic() >= this.#monotonicEnd;
    if (!this.#isOver && !isLate && !this.context.signal.aborted) return;
    throw new BrokerError('ERR_CONFLICT', 'the claim on the rotation is over', {
      reason: 'claim_lost',
    });
  }

  /** What `work` brings, or the end of the step's time: what hangs is left behind, and changes nothing any more. */
  async within<T>(work: () => Promise<T>): Promise<T> {
    const { signal } = this.context;
    // Between the record of the beginning and here the process may have stood still, or begun to stop.
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

  /** Whatever still runs for it changes nothing any more. */
  end(): void {
    this.#isOver = true;
    this.#cancel();
  }
}

const PAGE = 200;

type Places = Pick<Parts, 'store' | 'clock' | 'targets'>;

/**
 * Whether more rotations of a connection than its cap are carried on, by whatever process: found by the index of due times, since a claim is one. Who
 * claims looks before and again after its claim is committed, and lets go where it says so. Of all that go on, the last to commit saw the others,
 * so together they are within the cap, whoever claims at the same moment.
 */
export async function isOverCap(
  { store, clock, targets }: Places,
  { id, connection }: Pick<RotationRow, 'id' | 'connection'>,
): Promise<boolean> {
  const now = clock.now();
  const most = targets.concurrency(connection);
  let others = 0;
  let after: Partial<RotationRow> | undefined;
  for (;;) {
    const rows: readonly RotationRow[] = await store.list('rotations', {
      equals: { connection },
      from: { next_attempt_at: now },
      // Clocks of processes differ; what is due later than this is no claim.
      upTo: { next_attempt_at: now + 2 * CLAIM_MS },
      orderBy: ['next_attempt_at'],
      limit: PAGE,
      ...(after === undefined ? {} : { after }),
    });
    others += rows.filter((row) => row.id !== id && row.owner !== null).length;
    if (others >= most) return true;
    const last = rows.at(-1);
    if (last === undefined || rows.length < PAGE) return false;
    after = { next_attempt_at: last.next_attempt_at, id: last.id };
  }
}
