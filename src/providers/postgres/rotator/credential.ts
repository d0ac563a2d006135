import { generatePassword } from '../../../crypto/generated-value.ts';
import type { SecretData } from '../../../domain/secret.ts';
import { conflict, refuseStaleLogin } from '../../rotator/values.ts';
import type { SingleUserOptions } from '../config.ts';

export interface Credential {
  readonly username: string;
  readonly password: string;
}

type Terms = Pick<SingleUserOptions, 'keys' | 'password'>;

/** What a secret's data says of the login. @throws ERR_CONFLICT, reason `value_malformed` or `username_mismatch`. */
export function credentialOf(
  data: SecretData,
  { keys }: Terms,
  usernames: readonly string[],
): Credential {
  const username = data[keys.username];
  const password = data[keys.password];
  if (typeof username !== 'string' || typeof password !== 'string' || !isSendable(password)) {
    throw conflict('value_malformed', 'the value holds no login under the keys of the definition');
  }
  if (!usernames.includes(username)) {
    throw conflict('username_mismatch', 'the value names a user that the definition does not');
  }
  return { username, password };
}

/** The next value for `username`: a new password, everything else as it is. @throws ERR_CONFLICT, reason `stale_copy`. */
export function nextValue(
  current: SecretData | undefined,
  { keys, password }: Terms,
  username: string,
): SecretData {
  refuseStaleLogin(current, keys, username);
  return { ...current, [keys.username]: username, [keys.password]: generatePassword(password) };
}

/** In the protocol a NUL is the end, and an empty password none. */
function isSendable(password: string): boolean {
  return password !== '' && !password.includes('\0');
}
