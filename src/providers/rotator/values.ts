import type { SecretData } from '../../domain/secret.ts';
import type { LoginKeys } from './options.ts';
import { conflict } from './refusals.ts';

/** A shorter secret is part of many a text by chance: what is all of it counts, and no more. */
const LEAST_PART = 8;
/** Who logs in, in `scheme://user:password@host` and in `user=app password=…`. */
const USER_NAMES = /\/\/([^\s:@/]+)(?::[^\s@/]*)?@|\buser(?:name)?=["']?([^\s&;"']+)/gi;
const PERCENT_ENCODED = /(?:%[0-9a-f]{2})+/gi;

/**
 * What a target does not own it carries over as it is, so a copy of the secret there, as in a connection string, would be dead in the next value
 * and fail its holders. `own` names the secrets that are made anew.
 * @throws ERR_CONFLICT, reason `stale_copy`; which key it is, the detail says.
 */
export function refuseStaleCopies(current: SecretData = {}, own: readonly string[]): void {
  for (const key of own) {
    const secret = current[key];
    if (typeof secret !== 'string') continue;
    refuseWhere(current, key, own, (text) => isCopy(text, secret));
  }
}

/**
 * The same for a login. What a user's name is may be said of other things too, so a password that is the name is not looked for, and the name of a
 * user that the next value does not have is a copy only where it logs in.
 */
export function refuseStaleLogin(
  current: SecretData = {},
  { username, password }: LoginKeys,
  nextUser: string,
): void {
  const user = current[username];
  const secret = current[password];
  const own = [username, password];
  if (typeof secret === 'string' && secret !== user) {
    refuseWhere(current, password, own, (text) => isCopy(text, secret));
  }
  if (typeof user === 'string' && user !== nextUser) {
    refuseWhere(current, username, own, (text) => usersIn(text).includes(user));
  }
}

function refuseWhere(
  data: SecretData,
  copied: string,
  own: readonly string[],
  isStale: (text: string) => boolean,
): void {
  for (const [key, value] of Object.entries(data)) {
    if (typeof value !== 'string' || own.includes(key) || !isStale(value)) continue;
    const why = `"${key}" holds a copy of "${copied}" and would keep the old one`;
    throw conflict('stale_copy', `${why}: leave it out, and have a template put it together`);
  }
}

function isCopy(text: string, whole: string): boolean {
  // A PEM's last line break is not in every copy of it.
  const secret = whole.trim();
  if (secret.length < LEAST_PART) return secret !== '' && text === secret;
  return hasWhole(text, secret) || hasWhole(percentDecoded(text), secret);
}

/** Not as a part of a longer word. */
function hasWhole(text: string, part: string): boolean {
  for (let at = text.indexOf(part); at >= 0; at = text.indexOf(part, at + part.length)) {
    if (!isInWord(text[at - 1]) && !isInWord(text[at + part.length])) return true;
  }
  return false;
}

function isInWord(character: string | undefined): boolean {
  return character !== undefined && /\w/.test(character);
}

function usersIn(text: string): readonly string[] {
  return [...text.matchAll(USER_NAMES)].map(([, inUrl, named]) =>
    percentDecoded(inUrl ?? named ?? ''),
  );
}

/** As far as it is encoded: a stray % is one. */
function percentDecoded(text: string): string {
  return text.replaceAll(PERCENT_ENCODED, (run) =>
    Buffer.from(run.replaceAll('%', ''), 'hex').toString(),
  );
}
