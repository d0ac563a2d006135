import type { BrokerError, ErrorCode } from '../../domain/errors.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Log } from '../../ports/log.ts';
import { statusOf } from '../answer/error-answer.ts';
import { TokenBucket } from '../../broker/kernel/token-bucket.ts';

/** Refusals with a 503: a pod that waits for a scan or an operator asks again and again, and so does a writer without a place in a queue. */
const REFUSALS: readonly ErrorCode[] = ['ERR_POSTURE_PENDING', 'ERR_SUSPENDED', 'ERR_BUSY'];
const LINES = { perSecond: 50, burst: 200 };

/** The logged facts of a request, none of which its sender chose. */
export interface LoggedRequest {
  readonly requestId: string;
  readonly tally: { readonly operation: string };
  /** Monotonic milliseconds. */
  readonly startedAt: number;
}

/**
 * The process log of failed requests. Refusals and faults have a rate limit each, so that garbage cannot fill a disk, and a sealed broker or a backend
 * that is down cannot keep the event loop busy with lines. A line says how many were left out before it.
 */
export class RequestLog {
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #refusals: LimitedLines;
  readonly #faults: LimitedLines;

  constructor(log: Log, clock: Clock) {
    this.#log = log;
    this.#clock = clock;
    this.#refusals = new LimitedLines(clock.monotonic());
    this.#faults = new LimitedLines(clock.monotonic());
  }

  failed(request: LoggedRequest, error: BrokerError): void {
    const status = statusOf(error);
    const isFault = status >= 500 && !REFUSALS.includes(error.code);
    const now = this.#clock.monotonic();
    const leftOut = (isFault ? this.#faults : this.#refusals).take(now);
    if (leftOut === undefined) return;
    const fields = {
      requestId: request.requestId,
      operation: request.tally.operation,
      status,
      code: error.code,
      ms: Math.round(now - request.startedAt),
      ...(leftOut > 0 && { leftOut }),
    };
    if (isFault) this.#log.error({ ...fields, err: error }, 'a request failed');
    else this.#log.info({ ...fields, ...whyOf(error) }, 'a request was refused');
  }
}

/** The detail of ERR_BUSY has only facts of the broker, such as a node with too little processor time. Other details may quote the sender. */
function whyOf({ code, reason, detail }: BrokerError): Readonly<Record<string, unknown>> {
  return code === 'ERR_BUSY' ? { reason, detail } : { reason };
}

class LimitedLines {
  readonly #bucket: TokenBucket;
  #leftOut = 0;

  constructor(now: number) {
    this.#bucket = new TokenBucket(LINES, now);
  }

  /** Takes a line and returns the number of lines left out before it, or undefined: then this line is left out too. */
  take(now: number): number | undefined {
    if (this.#bucket.take(1, now) > 0) {
      this.#leftOut += 1;
      return undefined;
    }
    const leftOut = this.#leftOut;
    this.#leftOut = 0;
    return leftOut;
  }
}
