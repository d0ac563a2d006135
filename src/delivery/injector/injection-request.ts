import type { Format } from '../files/file-options.ts';

export interface RequestedSecret {
  readonly name: string;
  readonly path: string;
  /** Pins the version. Absent: the current one, followed. */
  readonly version?: string;
  /** A dynamic credential with this lifetime instead of a stored secret. */
  readonly credentialTtl?: string;
  /** File of the secret; absent: only templates use it. */
  readonly file?: string;
  readonly format?: Format;
  readonly mode?: string;
  readonly isOptional: boolean;
}

export interface RequestedTemplate {
  readonly name: string;
  readonly file: string;
  readonly text: string;
  readonly mode?: string;
}

/** The annotations of one pod, parsed and checked one by one. */
export interface InjectionRequest {
  readonly secrets: readonly RequestedSecret[];
  readonly templates: readonly RequestedTemplate[];
  /** Containers that get the files mounted. Absent: all of `spec.containers`. */
  readonly containers?: readonly string[];
  /** Directory at which they are mounted. */
  readonly directory: string;
  readonly isOnce: boolean;
  readonly healthPort?: number;
  readonly whenUnreachable?: string;
  readonly onChangeUrl?: string;
  readonly onChangeSignal?: { readonly signal: string; readonly process: string };
}
