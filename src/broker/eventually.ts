/** A value that is there already, or one that has to be waited for. */
export type Eventually<T> = T | Promise<T>;

/**
 * Continues at once with a value that is there. Each promise costs a read more than its decision (docs/performance.md): a read whose session,
 * value and lease are in memory waits for its commit alone. An async function does the same with `made instanceof Promise ? await made : made`.
 */
export function whenReady<T, R>(
  value: Eventually<T>,
  next: (value: T) => Eventually<R>,
): Eventually<R> {
  return value instanceof Promise ? value.then(next) : next(value);
}

/** All of them, at once where none has to be waited for. */
export function allReady<T>(values: readonly Eventually<T>[]): Eventually<readonly T[]> {
  return values.every(isThere) ? values : Promise.all(values);
}

function isThere<T>(value: Eventually<T>): value is T {
  return !(value instanceof Promise);
}
