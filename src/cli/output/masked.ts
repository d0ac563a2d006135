/** What stands for a value that was not asked for. One length for all: a length is told of a short secret too. */
const MASK = '[masked]';

/** A secret's data with the keys only. */
export function maskedData(data: Readonly<Record<string, unknown>>): Record<string, string> {
  return Object.fromEntries(Object.keys(data).map((key) => [key, MASK]));
}
