/** A pattern within one segment, split at its stars: each star matches any text, including the empty one. */
export interface SegmentGlob {
  readonly prefix: string;
  readonly middle: readonly string[];
  readonly suffix: string;
}

/** Undefined if the pattern has no star, so that it is a literal. */
export function segmentGlob(pattern: string): SegmentGlob | undefined {
  if (!pattern.includes('*')) return undefined;
  const [prefix = '', ...middle] = pattern.split('*');
  const suffix = middle.pop() ?? '';
  return { prefix, middle, suffix };
}

/** Matches each middle part at its first place, which never costs a later part its match: no backtracking (CVE-2026-35041). */
export function globMatches(glob: SegmentGlob, text: string): boolean {
  const { prefix, middle, suffix } = glob;
  const end = text.length - suffix.length;
  if (end < prefix.length || !text.startsWith(prefix) || !text.endsWith(suffix)) return false;
  let at = prefix.length;
  for (const part of middle) {
    const found = text.indexOf(part, at);
    if (found === -1 || found + part.length > end) return false;
    at = found + part.length;
  }
  return true;
}
