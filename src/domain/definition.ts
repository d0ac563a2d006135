import type { RotationSpec } from './rotation/rotation-spec.ts';

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
  /** Static only: how its credential is rotated. */
  readonly rotation?: RotationSpec;
}
