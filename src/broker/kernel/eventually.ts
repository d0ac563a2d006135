/** A value that is available now, or a promise of it. */
export type Eventually<T> = T | Promise<T>;

/**
 * Continues synchronously with an available value. Each promise costs a read more than its decision (internals/measurements/reads.md). A read whose
 * session, value and lease are in memory therefore waits only for its commit. An async function does the same with
 * `made instanceof Promise ? await made : made`.
 */
export function whenReady<T, R>(
  value: Eventually<T>,
  next: (value: T) => Eventually<R>,
): Eventually<R> {
  return value instanceof Promise ? value.then(next) : next(value);
}

/** All of the values; synchronous if none of them is a promise. */
export function allReady<T>(values: readonly Eventually<T>[]): Eventually<readonly T[]> {
  return values.every(isThere) ? values : Promise.all(values);
}

function isThere<T>(value: Eventually<T>): value is T {
  return !(value instanceof Promise);
}
