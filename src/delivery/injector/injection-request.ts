/** How a secret's data become bytes; a template says it by itself. */
export const FORMATS = ['json', 'files', 'dotenv', 'properties', 'yaml'] as const;
export type Format = (typeof FORMATS)[number];

export interface RequestedSecret {
  readonly name: string;
  readonly path: string;
  /** A pin; absent: the current one, followed. */
  readonly version?: string;
  /** Made to order with this lifetime instead of read. */
  readonly credentialTtl?: string;
  /** Absent: only templates use it. */
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

/** What the annotations of one pod ask for, understood and checked as far as they go. */
export interface InjectionRequest {
  readonly secrets: readonly RequestedSecret[];
  readonly templates: readonly RequestedTemplate[];
  /** Who gets the files mounted; absent: all of `spec.containers`. */
  readonly containers?: readonly string[];
  /** Where they are mounted. */
  readonly directory: string;
  readonly isOnce: boolean;
  readonly healthPort?: number;
  readonly whenUnreachable?: string;
  readonly onChangeUrl?: string;
  readonly onChangeSignal?: { readonly signal: string; readonly process: string };
}
