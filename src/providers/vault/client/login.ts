import { z } from 'zod';
import { BrokerError } from '../../../domain/errors.ts';
import { Sensitive } from '../../../domain/sensitive.ts';
import type { VaultAuth } from './config.ts';
import { readCredentialFile } from './credential-file.ts';
import type { VaultWire } from './transport.ts';

const TEN_YEARS = 315_360_000;

const answerSchema = z.object({
  auth: z.object({
    client_token: z.string(),
    lease_duration: z.int().min(1).max(TEN_YEARS),
    renewable: z.boolean(),
  }),
});

/** What a login or a renewal gives. `value` is empty text after a renewal. */
export interface Grant {
  readonly value: Sensitive<string>;
  readonly seconds: number;
  readonly renewable: boolean;
}

/** The methods that log in; the remaining one reads a token from a file. */
export type LoginAuth = Exclude<VaultAuth, { method: 'token' }>;

/** Logs in with credentials read now. @throws ERR_PROVIDER_DENIED (reason `login_refused`), ERR_PROVIDER_*. */
export async function logIn(wire: VaultWire, auth: LoginAuth, signal: AbortSignal): Promise<Grant> {
  const body = await credentials(auth);
  const path = `auth/${auth.mount}/login`;
  const request = { method: 'POST', path, body } as const;
  try {
    return parseGrant(await wire.send(request, undefined, signal));
  } catch (error) {
    throw isRefusal(error)
      ? new BrokerError('ERR_PROVIDER_DENIED', undefined, { cause: error, reason: 'login_refused' })
      : error;
  }
}

/** @throws ERR_PROVIDER_MALFORMED when the token has no end: a broker's token always has one. */
export function parseGrant(answer: unknown): Grant {
  const parsed = answerSchema.safeParse(answer);
  if (!parsed.success) {
    throw new BrokerError('ERR_PROVIDER_MALFORMED', undefined, { reason: 'login_answer' });
  }
  const { client_token: token, lease_duration: seconds, renewable } = parsed.data.auth;
  return { value: new Sensitive(token), seconds, renewable };
}

async function credentials(auth: LoginAuth): Promise<Record<string, string>> {
  if (auth.method === 'approle') {
    const secretId = await readCredentialFile(auth.secretIdFile);
    return { role_id: auth.roleId, secret_id: secretId.reveal() };
  }
  const token = await readCredentialFile(auth.tokenFile);
  return { role: auth.role, jwt: token.reveal() };
}

function isRefusal(error: unknown): boolean {
  if (!(error instanceof BrokerError)) return false;
  return (
    error.code === 'ERR_PROVIDER_DENIED' ||
    error.code === 'ERR_NOT_FOUND' ||
    (error.code === 'ERR_PROVIDER_FAILED' && ['refused', 'no_engine'].includes(error.reason ?? ''))
  );
}
