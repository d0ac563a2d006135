import type { ResponseAction } from '../alerts/response-rule.ts';
import type { RotationSpec } from '../rotation/rotation-spec.ts';

/** What happens to the reader of a decoy: a secret that nothing uses, so that only an intruder reads it. */
export interface Decoy {
  readonly action: ResponseAction;
  readonly scope: 'pod' | 'workload';
}

/** Settings of one path: its exact place at the backend, and how long it may be held. */
export interface DefinitionSpec {
  /** The exact reference at the backend, in the provider's own terms. */
  readonly ref?: unknown;
  /** `dynamic`: issued by `POST /credentials/{path}`, never by GET. */
  readonly class: 'static' | 'dynamic';
  readonly leaseTtlSeconds?: number;
  /** Dynamic only: no renewal goes beyond it. */
  readonly maxLeaseTtlSeconds?: number;
  readonly cacheTtlSeconds?: number;
  readonly staleIfErrorSeconds?: number;
  readonly description?: string;
  /** Static only. */
  readonly decoy?: Decoy;
  /** Static only: how its credential is rotated. */
  readonly rotation?: RotationSpec;
}
