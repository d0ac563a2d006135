import type { DurationTally } from '../../domain/time/duration-tally.ts';
import type { CallState } from '../../ports/backend.ts';
import type { Metric } from '../../ports/metrics.ts';

/** A running broker, as its metrics read it. */
export interface MeasuredBroker {
  readonly clusters: {
    /** The state of the pod watch of each registered cluster. */
    watches(): ReadonlyMap<string, string>;
    /** Cluster, resource and state of the other watches. */
    resourceWatches(): Iterable<readonly [string, string, string]>;
  };
  /** The calls of each connection of the configuration file. The names are the operator's own, so their number is bounded. */
  readonly calls: ReadonlyMap<string, () => CallState>;
  readonly refused: { all(): Iterable<Refusal> };
  readonly commits: DurationTally;
  readonly syncMs: number | undefined;
  space(): { readonly usedBytes: number; readonly limitBytes?: number | undefined } | undefined;
  clockAheadMs(): number;
  indexes(): {
    readonly rows: number;
    readonly isOffered: boolean;
    readonly completedAt: number | undefined;
  };
}

interface Refusal {
  readonly action: string;
  readonly code: string;
  readonly reason: string;
  readonly count: number;
}

export function brokerMetrics(broker: MeasuredBroker): readonly Metric[] {
  return [
    {
      name: 'quaymaster_clock_ahead_seconds',
      help: 'Seconds by which the time of the broker is ahead of the system clock: that clock jumped ahead and was set back',
      value: () => Math.round(broker.clockAheadMs()) / 1000,
    },
    ...watchMetrics(broker),
    ...storeMetrics(broker),
    ...callMetrics(broker),
    {
      name: 'quaymaster_refusals_total',
      help: 'Refused and failed actions by the action of the audit log, code and reason; logins are session.create',
      labels: ['action', 'code', 'reason'],
      values: () =>
        [...broker.refused.all()].map(({ action, code, reason, count }) => [
          { action, code, reason },
          count,
        ]),
    },
    {
      name: 'quaymaster_commit_duration_seconds',
      help: 'Seconds of a transaction of the store until it is durable',
      labels: [],
      durations: () => [[{}, broker.commits]],
    },
  ];
}

function watchMetrics({ clusters }: Pick<MeasuredBroker, 'clusters'>): readonly Metric[] {
  return [
    {
      name: 'quaymaster_pod_watches',
      help: '1 for each registered cluster and the state of its pod watch: off, starting, live or stale',
      labels: ['cluster', 'status'],
      values: () => [...clusters.watches()].map(([cluster, status]) => [{ cluster, status }, 1]),
    },
    {
      name: 'quaymaster_cluster_watches',
      help: '1 for each watch of other objects than pods, by cluster, resource and state',
      labels: ['cluster', 'resource', 'status'],
      values: () =>
        Array.from(clusters.resourceWatches(), ([cluster, resource, status]) => [
          { cluster, resource, status },
          1,
        ]),
    },
  ];
}

function callMetrics({ calls }: Pick<MeasuredBroker, 'calls'>): readonly Metric[] {
  const states = (): readonly (readonly [string, CallState])[] =>
    [...calls].map(([connection, stateOf]) => [connection, stateOf()]);
  return [
    {
      name: 'quaymaster_backend_calls_total',
      help: 'Finished calls by connection and result: ok or the code of the error',
      labels: ['connection', 'result'],
      values: () =>
        states().flatMap(([connection, { results }]) =>
          [...results].map(([result, count]) => [{ connection, result }, count] as const),
        ),
    },
    {
      name: 'quaymaster_backend_call_duration_seconds',
      help: 'Seconds of a call at a connection, with its retries and its wait for a free place',
      labels: ['connection'],
      durations: () => states().map(([connection, { durations }]) => [{ connection }, durations]),
    },
    {
      name: 'quaymaster_backend_circuit_open',
      help: '1 while the circuit of a connection is open or probes: its backend fails, and calls are refused at once',
      labels: ['connection'],
      values: () =>
        states().map(([connection, { circuit }]) => [{ connection }, circuit === 'closed' ? 0 : 1]),
    },
    {
      name: 'quaymaster_backend_calls_in_flight',
      help: 'Calls in progress and calls that wait for a free place, by connection',
      labels: ['connection', 'state'],
      values: () =>
        states().flatMap(([connection, { inFlight, queued }]) => [
          [{ connection, state: 'running' }, inFlight],
          [{ connection, state: 'waiting' }, queued],
        ]),
    },
  ];
}

function storeMetrics(broker: MeasuredBroker): readonly Metric[] {
  return [
    {
      name: 'quaymaster_store_sync_seconds',
      help: 'Seconds of a sync of the disk of the SQLite store, measured at the start; 0 if not known',
      value: () => (broker.syncMs ?? 0) / 1000,
    },
    {
      name: 'quaymaster_store_checked_rows',
      help: 'Rows that the check of the indexes in progress, or the last one, has looked up; SQLite only',
      value: () => broker.indexes().rows,
    },
    {
      name: 'quaymaster_store_check_completed_timestamp_seconds',
      help: 'When the last complete check of the indexes ended; 0 before the first in this process; SQLite only',
      labels: [],
      values() {
        const { isOffered, completedAt = 0 } = broker.indexes();
        return isOffered ? [[{}, completedAt / 1000]] : [];
      },
    },
    {
      name: 'quaymaster_store_used_bytes',
      help: 'Used on the volume of the SQLite store, or by the PostgreSQL database',
      value: () => broker.space()?.usedBytes ?? 0,
    },
    {
      name: 'quaymaster_store_free_bytes',
      help: 'Left on the volume of the SQLite store, or of store.maxBytes; +Inf where no limit is known',
      value() {
        const { usedBytes = 0, limitBytes = Number.POSITIVE_INFINITY } = broker.space() ?? {};
        return Math.max(0, limitBytes - usedBytes);
      },
    },
  ];
}
