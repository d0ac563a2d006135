import { BrokerError } from '../../domain/errors.ts';
import { generatePassword } from '../../crypto/random/generated-value.ts';
import type { SecretData } from '../../domain/secrets/secret.ts';
import { Sensitive } from '../../domain/secrets/sensitive.ts';
import type { LoginKeys, PasswordOptions } from './options.ts';

/** A shorter secret occurs in other texts by chance, so only a text that is the whole secret counts. */
const LEAST_PART = 8;
/** The user in `scheme://user:password@host` and in `user=app password=…`. */
const USER_NAMES = /\/\/([^\s:@/]+)(?::[^\s@/]*)?@|\buser(?:name)?=["']?([^\s&;"']+)/gi;
const PERCENT_ENCODED = /(?:%[0-9a-f]{2})+/gi;

/**
 * A target copies keys that it does not own unchanged. A copy of the secret in one of them, as in a connection string, would be stale in the next value
 * and fail its holders. `own` names the secrets that rotate.
 * @throws ERR_CONFLICT, reason `stale_copy`; the detail names the key.
 */
export function refuseStaleCopies(current: SecretData = {}, own: readonly string[]): void {
  for (const key of own) {
    const secret = current[key];
    if (typeof secret !== 'string') continue;
    refuseWhere(current, key, own, (text) => isCopy(text, secret));
  }
}

/**
 * Refuses like `refuseStaleCopies`, for a login. A user's name may occur with other meanings. So a password equal to the name is not
 * searched for. The name of a user that the next value replaces counts as a copy only in a place where it logs in.
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
    const why = `"${key}" holds a copy of "${copied}" and would keep the old value`;
    throw conflict(
      'stale_copy',
      `${why}: remove it, and compose it with a template where it is used`,
    );
  }
}

function isCopy(text: string, whole: string): boolean {
  // Copies of a PEM may lack its last line break.
  const secret = whole.trim();
  if (secret.length < LEAST_PART) return secret !== '' && text === secret;
  return hasWhole(text, secret) || hasWhole(percentDecoded(text), secret);
}

/** Reports whether `part` occurs, and not inside a longer word. */
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

/** Decodes valid percent-encodings; any other % stays. */
function percentDecoded(text: string): string {
  return text.replaceAll(PERCENT_ENCODED, (run) =>
    Buffer.from(run.replaceAll('%', ''), 'hex').toString(),
  );
}

/** The target or the value does not match the definition: the rotation is parked for an operator. */
export function conflict(reason: string, detail?: string): BrokerError {
  return new BrokerError('ERR_CONFLICT', detail, { reason });
}

/** The target is still at work; poll it again after this many seconds. */
export function notYet(retryAfterSeconds: number): BrokerError {
  return new BrokerError('ERR_PROVIDER_UNAVAILABLE', undefined, {
    reason: 'not_yet',
    retryAfterSeconds,
  });
}

const HOST_KEYS = ['host', 'hostname', 'endpoint'];

/**
 * Requires that a host in the value is this server's host, and a port its port: a writer of the secret must not direct
 * an administrator's rights at another server.
 * @throws ERR_CONFLICT, reason `host_mismatch`.
 */
export function checkHost(
  data: SecretData | undefined,
  server: { readonly host: string; readonly port: number },
): void {
  for (const key of HOST_KEYS) {
    const named = data?.[key];
    if (named !== undefined && !isSame(named, server)) throw conflict('host_mismatch');
  }
  const port = data?.['port'];
  if (port !== undefined && port !== String(server.port)) throw conflict('host_mismatch');
}

/** Compares `host` or `host:port`, as in connection strings. */
function isSame(
  named: SecretData[string],
  { host, port }: { host: string; port: number },
): boolean {
  if (typeof named !== 'string') return false;
  const text = named.toLowerCase();
  const name = host.toLowerCase();
  return text === name || text === `${name}:${port}`;
}

export interface Login {
  readonly username: string;
  readonly password: Sensitive<string>;
}

/** The login in a value. @throws ERR_CONFLICT, reason `no_login`, if it has none. */
export function readLogin(data: SecretData, keys: LoginKeys): Login {
  const username = data[keys.username];
  const password = data[keys.password];
  if (typeof username === 'string' && typeof password === 'string' && password !== '') {
    return { username, password: new Sensitive(password) };
  }
  throw conflict('no_login');
}

/** The next value for `username`: a new password, all other keys as they are. @throws ERR_CONFLICT, reason `stale_copy`. */
export function nextLogin(
  current: SecretData | undefined,
  { keys, password }: { readonly keys: LoginKeys; readonly password: PasswordOptions },
  username: string,
): SecretData {
  refuseStaleLogin(current, keys, username);
  return { ...current, [keys.username]: username, [keys.password]: generatePassword(password) };
}
