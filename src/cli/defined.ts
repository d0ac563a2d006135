type Defined<T> = { [K in keyof T]: Exclude<T[K], undefined> };

/** The members that are there: a request names nothing that was not said. */
export function defined<T extends object>(members: T): Defined<T> {
  const entries = Object.entries(members).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as Defined<T>;
}
