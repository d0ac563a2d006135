import type { DurationTally } from '../domain/time/duration-tally.ts';
import type { ErrorCode } from '../domain/errors.ts';
import type { Clock } from './clock.ts';
import type { KubernetesApi } from './kubernetes-api.ts';
import type { RotationConnection } from './rotation-target.ts';
import type { ProviderConnection } from './secret-provider.ts';
import type { TraceCall } from './trace.ts';

/** Totals of a connection since the start, and its current state. */
export interface CallState {
  readonly circuit: 'closed' | 'open' | 'half-open';
  readonly inFlight: number;
  readonly queued: number;
  /** Calls of the broker. A call may need several attempts; the circuit and a full queue refuse attempts before they reach the backend. */
  readonly calls: number;
  readonly attempts: number;
  readonly refused: number;
  /** Finished calls by result. */
  readonly results: ReadonlyMap<'ok' | ErrorCode, number>;
  readonly durations: DurationTally;
}

/** The capabilities of one connection in the configuration file. */
export interface Backend {
  /** Mounts of this connection: static secrets and dynamic credentials. */
  readonly provider?: ProviderConnection;
  /** Credentials that the broker rotates at this backend. */
  readonly rotation?: RotationConnection;
  /** The API server that authenticates the workloads of a cluster. */
  readonly cluster?: { readonly type: 'kubernetes'; readonly api: KubernetesApi };
  calls(): CallState;
  close(): Promise<void> | void;
}

/** Dependencies that the broker passes to every backend. */
export interface BackendDeps {
  readonly clock: Clock;
  /** Name of the connection. */
  readonly connection: string;
  /** Kubernetes namespaces that no mount may access. They include the broker's own namespace. */
  readonly forbiddenNamespaces: readonly string[];
  /** The broker requests no service account token for these audiences. They include the broker's own audience. */
  readonly forbiddenAudiences: readonly string[];
  /** Records a span for each call; set only if traces are on. */
  readonly traceCall?: TraceCall | undefined;
}
