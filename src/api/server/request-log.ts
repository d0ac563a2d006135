import type { BrokerError, ErrorCode } from '../../domain/errors.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Log } from '../../ports/log.ts';
import { statusOf } from '../answer/error-answer.ts';
import { TokenBucket } from '../../broker/kernel/token-bucket.ts';

/** Refusals that say "later" with a 503: a pod that waits for a scan, or for an operator, asks again and again. */
const REFUSALS: readonly ErrorCode[] = ['ERR_POSTURE_PENDING', 'ERR_SUSPENDED'];
const LINES = { perSecond: 50, burst: 200 };

/** The logged facts of a request, none of which its sender chose. */
export interface LoggedRequest {
  readonly requestId: string;
  readonly tally: { readonly operation: string };
  /** Monotonic milliseconds. */
  readonly startedAt: number;
}

/** The process log of failed requests. Refusals have a rate limit, so that garbage cannot fill a disk; faults are always logged. */
export class RequestLog {
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #lines: TokenBucket;
  #left = 0;

  constructor(log: Log, clock: Clock) {
    this.#log = log;
    this.#clock = clock;
    this.#lines = new TokenBucket(LINES, clock.monotonic());
  }

  failed(request: LoggedRequest, error: BrokerError): void {
    const status = statusOf(error);
    const now = this.#clock.monotonic();
    const fields = {
      requestId: request.requestId,
      operation: request.tally.operation,
      status,
      code: error.code,
      ms: Math.round(now - request.startedAt),
    };
    if (status >= 500 && !REFUSALS.includes(error.code)) {
      this.#log.error({ ...fields, err: error }, 'a request failed');
      return;
    }
    if (this.#lines.take(1, now) > 0) {
      this.#left += 1;
      return;
    }
    this.#log.info(
      this.#left === 0 ? fields : { ...fields, leftOut: this.#left },
      'a request was refused',
    );
    this.#left = 0;
  }
}
