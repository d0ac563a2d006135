import { pointerTo } from '../../domain/words/json-pointer.ts';
/** Difference between two documents at one pointer. */
export interface Difference {
  /** JSON pointer. */
  readonly pointer: string;
  readonly before?: unknown;
  readonly after?: unknown;
}

/** Lists the differences in the order of the documents; lists are compared by index. */
export function differences(before: unknown, after: unknown, pointer = ''): readonly Difference[] {
  const [left, right] = [membersOf(before), membersOf(after)];
  if (left === undefined || right === undefined || Array.isArray(before) !== Array.isArray(after)) {
    return JSON.stringify(before) === JSON.stringify(after) ? [] : [{ pointer, before, after }];
  }
  const keys = new Set([...left.keys(), ...right.keys()]);
  return [...keys].flatMap((key) => {
    return differences(left.get(key), right.get(key), pointer + pointerTo([key]));
  });
}

function membersOf(value: unknown): ReadonlyMap<string, unknown> | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  return new Map<string, unknown>(Object.entries(value));
}
