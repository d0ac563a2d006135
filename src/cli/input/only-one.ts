import { UsageError } from '../kernel/errors.ts';

/** The only selection that is given. @throws UsageError for none, and for several */
export function onlyOne<T>(what: string, ways: string, given: readonly (T | undefined)[]): T {
  const [selection, more] = given.filter((each) => each !== undefined);
  if (selection !== undefined && more === undefined) return selection;
  throw new UsageError(`select the ${what} in exactly one way: ${ways}`);
}
