const LONGEST_SEGMENT = 255;
const MOST_SEGMENTS = 8;
/** Below the root only; what begins with two dots is the directory's own (`..data`). */
const SEGMENT = /^(?!\.\.|\.$)[^/\p{Cc}]+$/u;

/** What is wrong with a place for a file below the directory; nothing when it is one (CVE-2020-8567, CVE-2020-8568). */
export function targetProblem(target: string): string | undefined {
  if (target.startsWith('/')) return 'is below "directory" and does not begin with a slash';
  const segments = target.split('/');
  if (segments.length > MOST_SEGMENTS) return `lies at most ${MOST_SEGMENTS} deep`;
  return segments.every(isFileName)
    ? undefined
    : 'has a part that is empty, ".", begins with "..", is too long or holds control characters';
}

/** Whether a key of a secret, or one part of a place, can be the name of a file. */
export function isFileName(name: string): boolean {
  return SEGMENT.test(name) && Buffer.byteLength(name) <= LONGEST_SEGMENT;
}
