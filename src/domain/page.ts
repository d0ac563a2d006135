export interface PageRequest {
  /** The `next` of the previous page; opaque to callers. */
  readonly after?: string | undefined;
  readonly limit: number;
}

export interface Page<T> {
  readonly items: readonly T[];
  readonly next?: string | undefined;
}
