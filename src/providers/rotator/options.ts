import * as z from 'zod';
import type { SecretData } from '../../domain/secret.ts';
import { Sensitive } from '../../domain/sensitive.ts';
import { conflict } from './refusals.ts';
import { secretKey } from './secret-key.ts';

/** The option `keys`: which keys of the secret's data hold the name and the password of a login; all others are carried over. */
export const loginKeys = z
  .strictObject({
    username: secretKey.default('username'),
    password: secretKey.default('password'),
  })
  .refine(({ username, password }) => username !== password, 'names one key twice')
  .prefault({});

export type LoginKeys = z.output<typeof loginKeys>;

interface Login {
  readonly username: string;
  readonly password: Sensitive<string>;
}

/** The login that a value holds. @throws ERR_CONFLICT, reason `no_login`, where it holds none. */
export function readLogin(data: SecretData, keys: LoginKeys): Login {
  const username = data[keys.username];
  const password = data[keys.password];
  if (typeof username === 'string' && typeof password === 'string' && password !== '') {
    return { username, password: new Sensitive(password) };
  }
  throw conflict('no_login');
}
