import { Counter, type Registry } from 'prom-client';
import { DurationTally } from '../../domain/time/duration-tally.ts';
import { registerDurations } from './tallied-histogram.ts';

const CLASSES = 6;

/** Counts of one operation. */
export interface OperationTally {
  readonly operation: string;
  /** Indexed by the first digit of the status. */
  readonly statuses: Float64Array;
  readonly durations: DurationTally;
}

/** Requests and their durations by operation. prom-client collects them at each scrape. */
export class OperationTallies {
  readonly #tallies = new Map<string, OperationTally>();

  constructor(registry: Registry) {
    const tallies = this.#tallies;
    new Counter({
      name: 'quaymaster_http_requests_total',
      help: 'Answered requests by class of status',
      labelNames: ['operation', 'status'],
      registers: [registry],
      collect() {
        this.reset();
        for (const { operation, statuses } of tallies.values()) {
          statuses.forEach((value, digit) => {
            if (value > 0) this.inc({ operation, status: `${digit}xx` }, value);
          });
        }
      },
    });
    registerDurations(
      registry,
      {
        name: 'quaymaster_http_request_duration_seconds',
        help: 'Seconds from request to answer',
        labelNames: ['operation'],
      },
      () =>
        [...tallies.values()].map(({ operation, durations }) => ({
          labels: { operation },
          durations,
        })),
    );
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

  count({ statuses, durations }: OperationTally, status: number, ms: number): void {
    const digit = Math.floor(status / 100);
    statuses[digit] = (statuses[digit] ?? 0) + 1;
    durations.add(ms);
  }
}
