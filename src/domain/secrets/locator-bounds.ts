/**
 * Reports whether a canonical locator lies within one of the patterns that a connection may use: `*` is one whole segment, `**` (last only) any depth
 * below. An empty list allows nothing. The text after `?` or `#` selects a part of the secret (a stage, a member) and is not compared.
 */
export function isWithinBounds(locator: string, patterns: readonly string[]): boolean {
  const [place = ''] = locator.split(/[?#]/, 1);
  const segments = place.split('/');
  return patterns.some((pattern) => matches(segments, pattern.split('/')));
}

function matches(segments: readonly string[], pattern: readonly string[]): boolean {
  for (const [index, part] of pattern.entries()) {
    if (part === '**') return segments.length > index;
    const segment = segments[index];
    if (segment === undefined || (part !== '*' && part !== segment)) return false;
  }
  return segments.length === pattern.length;
}

/** Reports whether the patterns allow any locator that `covers` (a prefix `…/`, or one exact locator) reaches. */
export function isReachable(covers: string, patterns: readonly string[]): boolean {
  if (covers !== '' && !covers.endsWith('/')) return isWithinBounds(covers, patterns);
  const segments = covers.split('/').slice(0, -1);
  return patterns.some((pattern) => reachesBelow(segments, pattern.split('/')));
}

function reachesBelow(segments: readonly string[], pattern: readonly string[]): boolean {
  for (const [index, segment] of segments.entries()) {
    const part = pattern[index];
    if (part === '**') return true;
    if (part !== '*' && part !== segment) return false;
  }
  return pattern.length > segments.length;
}

/** Reports whether two canonical locator prefixes (`…/`) or exact locators can reach the same place. */
export function coversOverlap(left: string, right: string): boolean {
  return left === right || within(left, right) || within(right, left);
}

function within(inner: string, outer: string): boolean {
  return outer === '' || (outer.endsWith('/') && inner.startsWith(outer));
}
