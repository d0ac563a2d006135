export interface PageRequest {
  /** Opaque to callers; what the previous page returned as `next`. */
  readonly after?: string | undefined;
  readonly limit: number;
}

export interface Page<T> {
  readonly items: readonly T[];
  readonly next?: string | undefined;
}
