/**
 * Paths of policies of Vault and OpenBao: `+` stands for one segment, and `*` at the end for any text. Documented at
 * https://openbao.org/docs/concepts/policies/.
 */

/** The part of a path below a literal base, empty for the base itself and its folder; undefined if the path matches neither it nor anything below it. */
export function remainderBelow(path: string, base: string): string | undefined {
  const segments = path.split('/');
  for (const [index, name] of base.split('/').entries()) {
    const segment = segments[index];
    if (segment === undefined) return undefined;
    const isLast = index === segments.length - 1;
    if (isLast && segment.endsWith('*'))
      return name.startsWith(segment.slice(0, -1)) ? '*' : undefined;
    if (segment !== '+' && segment !== name) return undefined;
  }
  return segments.slice(base.split('/').length).join('/');
}

/** Reports whether two paths can match the same request. */
export function overlaps(left: string, right: string): boolean {
  const [one, other] = [left.split('/'), right.split('/')];
  for (let index = 0; ; index += 1) {
    const [a, b] = [one[index], other[index]];
    if (a === undefined || b === undefined) return a === b;
    const [globA, globB] = [globAt(one, index), globAt(other, index)];
    if (globA !== undefined || globB !== undefined)
      return mayBegin(globA ?? a, globB ?? b, globA !== undefined, globB !== undefined);
    if (a !== '+' && b !== '+' && a !== b) return false;
  }
}

/** The text before the `*` of a last segment. */
function globAt(segments: readonly string[], index: number): string | undefined {
  const segment = segments[index] ?? '';
  return index === segments.length - 1 && segment.endsWith('*') ? segment.slice(0, -1) : undefined;
}

function mayBegin(a: string, b: string, isGlobA: boolean, isGlobB: boolean): boolean {
  if (a === '+' || b === '+') return true;
  return (isGlobA && b.startsWith(a)) || (isGlobB && a.startsWith(b));
}

/** Reports whether the first path decides, if both match a request. */
export function outranks(path: string, other: string): boolean {
  const [one, two] = [rankOf(path), rankOf(other)];
  if (one.wildcard !== two.wildcard) return one.wildcard > two.wildcard;
  if (one.isGlob !== two.isGlob) return two.isGlob;
  if (one.plus !== two.plus) return one.plus < two.plus;
  if (path.length !== other.length) return path.length > other.length;
  return path > other;
}

function rankOf(path: string): {
  readonly wildcard: number;
  readonly isGlob: boolean;
  readonly plus: number;
} {
  const first = path.search(/(?<=^|\/)\+(?=\/|$)|\*$/);
  return {
    wildcard: first === -1 ? Number.POSITIVE_INFINITY : first,
    isGlob: path.endsWith('*'),
    plus: path.split('/').filter((segment) => segment === '+').length,
  };
}
