import type { ResponseAction } from '../alerts/response-rule.ts';
import type { RotationSpec } from '../rotation/rotation-spec.ts';

/** Response to the reader of a decoy: a secret that nothing uses, so that only an intruder reads it. */
export interface Decoy {
  readonly action: ResponseAction;
  readonly scope: 'pod' | 'workload';
}

/** Reports whether the decoy cuts off its readers, and does not only raise an alert. */
export function isCuttingOff(decoy: Decoy | undefined): boolean {
  return decoy !== undefined && decoy.action !== 'audit';
}

/** Settings of one path: its exact place at the backend, and the longest time it may be held. */
export interface DefinitionSpec {
  /** The exact reference at the backend, in the terms of the provider. */
  readonly ref?: unknown;
  /** `dynamic`: issued by `POST /credentials/{path}`, never by GET. */
  readonly class: 'static' | 'dynamic';
  readonly leaseTtlSeconds?: number;
  /** Dynamic secrets only: no renewal extends a lease beyond it. */
  readonly maxLeaseTtlSeconds?: number;
  readonly cacheTtlSeconds?: number;
  readonly staleIfErrorSeconds?: number;
  readonly description?: string;
  /** Static only. */
  readonly decoy?: Decoy;
  /** Static only: how its credential is rotated. */
  readonly rotation?: RotationSpec;
}
