import type { RotationSpec } from './rotation/rotation-spec.ts';

/** What is said of one path: where exactly it is at the backend, and how it may be held. */
export interface DefinitionSpec {
  /** The exact reference at the backend, in the provider's own terms. */
  readonly ref?: unknown;
  /** `dynamic`: made to order by `POST /credentials/{path}`, never by GET. */
  readonly class: 'static' | 'dynamic';
  readonly leaseTtlSeconds?: number;
  /** Dynamic only: no renewal goes beyond it. */
  readonly maxLeaseTtlSeconds?: number;
  readonly cacheTtlSeconds?: number;
  readonly staleIfErrorSeconds?: number;
  readonly description?: string;
  /** Static only: how its credential is made anew. */
  readonly rotation?: RotationSpec;
}
