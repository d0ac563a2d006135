import { globMatches, segmentGlob } from './segment-glob.ts';

/** Most `**` in a pattern: each may try every place of the text. */
export const MOST_DEEP_STARS = 2;
const ANY_DEPTH = '**';

/** A pattern of segments joined by `/`: `*` stands for any text within one, `**` for any number of them. */
export type Glob = (text: string) => boolean;

export function glob(pattern: string): Glob {
  const parts = pattern.split('/').map(segmentTest);
  return (text) => matches(parts, text.split('/'), 0, 0);
}

type SegmentTest = ((segment: string) => boolean) | typeof ANY_DEPTH;

function segmentTest(pattern: string): SegmentTest {
  if (pattern === ANY_DEPTH) return ANY_DEPTH;
  const stars = segmentGlob(pattern);
  return stars === undefined
    ? (segment) => segment === pattern
    : (segment) => globMatches(stars, segment);
}

function matches(
  parts: readonly SegmentTest[],
  segments: readonly string[],
  part: number,
  at: number,
): boolean {
  const test = parts[part];
  if (test === undefined) return at === segments.length;
  if (test !== ANY_DEPTH) {
    const segment = segments[at];
    return segment !== undefined && test(segment) && matches(parts, segments, part + 1, at + 1);
  }
  for (let end = at; end <= segments.length; end += 1) {
    if (matches(parts, segments, part + 1, end)) return true;
  }
  return false;
}
