/** The broker's own paths have 512 at most; `--map` may name what is longer. */
const LONGEST_PATH = 2_048;
const SHOWN = 200;

/**
 * Why a key of a listing cannot be asked for: a word; undefined where it can. A server sends one segment, with a slash at its end where it is a
 * folder. Anything else would ask elsewhere than below the folder, because URLs know `.` and `..`, or for ever.
 */
export function keyProblem(key: string, folder: string): string | undefined {
  const name = key.replace(/\/$/, '');
  if (name === '') return 'empty_name';
  if (name === '.' || name === '..') return 'dot_name';
  if (name.includes('/')) return 'slash_in_name';
  if (/\p{Cc}/u.test(name)) return 'control_character';
  if (!name.isWellFormed()) return 'not_unicode';
  return folder.length + key.length > LONGEST_PATH ? 'too_long' : undefined;
}

/** The path as it is told: whole, unless it is too long for a line. */
export function shownPath(path: string): string {
  return path.length > LONGEST_PATH ? `${path.slice(0, SHOWN).toWellFormed()}…` : path;
}
