import { isDeepStrictEqual } from 'node:util';
import { pointerTo } from '../../domain/words/json-pointer.ts';

/** One operation of RFC 6902. */
export type PatchOperation =
  | { readonly op: 'add' | 'replace'; readonly path: string; readonly value: unknown }
  | { readonly op: 'remove'; readonly path: string };

type JsonObject = Readonly<Record<string, unknown>>;

/** Operations that change `before` into `after`: minimal for objects; for lists everything between equal ends. */
export function jsonPatch(before: unknown, after: unknown, path = ''): readonly PatchOperation[] {
  if (before === after) return [];
  if (isObject(before) && isObject(after)) return objectPatch(before, after, path);
  if (isDeepStrictEqual(before, after)) return [];
  if (Array.isArray(before) && Array.isArray(after)) return listPatch(before, after, path);
  return [{ op: 'replace', path, value: after }];
}

function objectPatch(
  before: JsonObject,
  after: JsonObject,
  path: string,
): readonly PatchOperation[] {
  const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  // A pod may have thousands of annotations, and keeps all but one of them.
  const changed = keys.filter((key) => before[key] !== after[key]);
  return changed.flatMap((key): readonly PatchOperation[] => {
    const place = path + pointerTo([key]);
    if (!Object.hasOwn(after, key)) return [{ op: 'remove', path: place }];
    if (!Object.hasOwn(before, key)) return [{ op: 'add', path: place, value: after[key] }];
    return jsonPatch(before[key], after[key], place);
  });
}

function listPatch(
  before: readonly unknown[],
  after: readonly unknown[],
  path: string,
): readonly PatchOperation[] {
  if (before.length === after.length) {
    return before.flatMap((item, index) => jsonPatch(item, after[index], `${path}/${index}`));
  }
  const shorter = Math.min(before.length, after.length);
  const start = sameAt(shorter, (index) => [before[index], after[index]]);
  const end = sameAt(shorter - start, (index) => [before.at(-1 - index), after.at(-1 - index)]);
  const removed = before.slice(start, before.length - end);
  const added = after.slice(start, after.length - end);
  return [
    ...removed.map(() => ({ op: 'remove', path: `${path}/${start}` }) as const),
    ...added.map(
      (value, index) => ({ op: 'add', path: `${path}/${start + index}`, value }) as const,
    ),
  ];
}

function sameAt(most: number, pair: (index: number) => readonly [unknown, unknown]): number {
  let count = 0;
  while (count < most && isDeepStrictEqual(...pair(count))) count += 1;
  return count;
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
