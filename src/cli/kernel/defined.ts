type Defined<T> = { [K in keyof T]: Exclude<T[K], undefined> };

/** Drops the members that are undefined, so that a request contains only what the caller gave. */
export function defined<T extends object>(members: T): Defined<T> {
  const entries = Object.entries(members).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as Defined<T>;
}
