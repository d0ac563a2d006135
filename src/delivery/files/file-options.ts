/** Options of a delivered file: the one definition for the agent's settings, the annotations of the injector and the CSI provider. */

/** Formats of a secret's data. With `files` the target is a folder that has one file for each key. */
export const FORMATS = ['json', 'files', 'dotenv', 'properties', 'yaml'] as const;
export type Format = (typeof FORMATS)[number];

/** Endings of default file names. */
export const FILE_ENDINGS: Readonly<Record<Format, string>> = {
  json: '.json',
  files: '',
  dotenv: '.env',
  properties: '.properties',
  yaml: '.yaml',
};

/** The owner reads, and may write; the group may have the same; others may read. Execute bits and write access for others are not allowed. */
const MODE = /^0?[46][046][04]$/;

/** Follows the name of the option in a message. */
export const MODE_RULE =
  "must be an octal mode in quotes, for example '0440': the owner reads; no execute bits, no write access for others";

/** Permission bits, as of chmod(2); undefined for a text that is not an accepted mode. */
export function parseMode(text: string): number | undefined {
  return MODE.test(text) ? Number.parseInt(text, 8) : undefined;
}

const LONGEST_SEGMENT = 255;
const MOST_SEGMENTS = 8;
/** Names that begin with two dots belong to the directory itself (`..data`). */
const SEGMENT = /^(?!\.\.|\.$)[^/\p{Cc}]+$/u;

/** Gives the reason why a path cannot be a file below the directory; undefined if it can (CVE-2020-8567, CVE-2020-8568). */
export function targetProblem(target: string): string | undefined {
  if (target.startsWith('/')) return 'must be relative to the directory, without a leading slash';
  const segments = target.split('/');
  if (segments.length > MOST_SEGMENTS) return `must be at most ${MOST_SEGMENTS} levels deep`;
  return segments.every(isFileName)
    ? undefined
    : `must consist of names that are not empty, not ".", do not begin with "..", have at most ${LONGEST_SEGMENT} bytes and no control characters`;
}

/** Reports whether a key of a secret, or one part of a target, can be the name of a file. */
export function isFileName(name: string): boolean {
  return SEGMENT.test(name) && Buffer.byteLength(name) <= LONGEST_SEGMENT;
}

/** Reports whether two targets are the same file, or one lies within the other. */
export function targetsOverlap(left: string, right: string): boolean {
  return left === right || left.startsWith(`${right}/`) || right.startsWith(`${left}/`);
}
