import { DurationTally } from '../../domain/time/duration-tally.ts';
import type { Metric } from '../../ports/metrics.ts';
import { Activity } from './activity.ts';

const CLASSES = 6;

/** Counts of one operation. */
export interface OperationTally {
  readonly operation: string;
  /** Counts, indexed by the first digit of the status. */
  readonly statuses: Float64Array;
  readonly durations: DurationTally;
}

/** Requests and their durations by operation. */
export class OperationTallies {
  readonly #tallies = new Map<string, OperationTally>();
  /** Counts of the last minutes, for people. */
  readonly activity = new Activity();

  metrics(): readonly Metric[] {
    const tallies = this.#tallies;
    return [
      {
        name: 'quaymaster_http_requests_total',
        help: 'Answered requests by class of status',
        labels: ['operation', 'status'],
        values: () =>
          [...tallies.values()].flatMap(({ operation, statuses }) =>
            Array.from(statuses, (count, digit) => ({ count, status: `${digit}xx` }))
              .filter(({ count }) => count > 0)
              .map(({ count, status }) => [{ operation, status }, count] as const),
          ),
      },
      {
        name: 'quaymaster_http_request_duration_seconds',
        help: 'Seconds from request to answer',
        labels: ['operation'],
        durations: () =>
          [...tallies.values()].map(({ operation, durations }) => [{ operation }, durations]),
      },
    ];
  }

  of(operation: string): OperationTally {
    let tally = this.#tallies.get(operation);
    if (tally === undefined) {
      const statuses = new Float64Array(CLASSES);
      tally = { operation, statuses, durations: new DurationTally() };
      this.#tallies.set(operation, tally);
    }
    return tally;
  }

  /** Counts an answer; the times are of the monotonic clock. */
  count(tally: OperationTally, status: number, startedAt: number, now: number): void {
    const { operation, statuses, durations } = tally;
    const digit = Math.floor(status / 100);
    statuses[digit] = (statuses[digit] ?? 0) + 1;
    durations.add(now - startedAt);
    this.activity.add(operation, status, now);
  }
}
