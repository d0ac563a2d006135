import type { Call } from '../../broker/access/call.ts';
import { logIn, type LogInRequest, type OpenedSession } from '../../broker/sessions/log-in.ts';
import { BrokerError } from '../../domain/errors.ts';
import type { PresentedChain } from '../../ports/workload-authenticator.ts';
import type { Incoming } from './route.ts';
import type { ServedParts } from './request-deps.ts';

const SUBJECT = '"sub"';
const PLAIN_SUBJECT = /"sub":"([^"\\]*)"/;
const LONGEST_SUBJECT = 512;
/** The signature is at the end of a certificate, and tells certificates apart. */
const LONGEST_SIGNATURE = 64;

/**
 * The subject that a token claims. No signature is checked yet, so the claim only selects the rate that the login counts
 * against. The usual payload with one member `sub` is not parsed here, because its verification parses it again.
 */
function claimedAccount(cluster: string, jwt: string): string | undefined {
  const payload = Buffer.from(jwt.split('.', 2)[1] ?? '', 'base64url').toString();
  const isOnlyOne = payload.indexOf(SUBJECT) === payload.lastIndexOf(SUBJECT);
  const subject = (isOnlyOne ? PLAIN_SUBJECT.exec(payload)?.[1] : undefined) ?? subjectIn(payload);
  return subject === undefined ? undefined : `${cluster}/${subject.slice(0, LONGEST_SUBJECT)}`;
}

/** One certificate has one workload. A workload with many certificates has a rate for each; its sessions are limited together. */
function holderOf(cluster: string, [leaf]: PresentedChain = []): string | undefined {
  return leaf && `${cluster}/x509/${leaf.subarray(-LONGEST_SIGNATURE).toString('base64')}`;
}

function subjectIn(payload: string): string | undefined {
  try {
    const { sub } = JSON.parse(payload) as { readonly sub?: unknown };
    return typeof sub === 'string' ? sub : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Logs a workload in within the rate of the account that it claims, and charges a failure to its network.
 * @throws ERR_RATE_LIMITED before anything is verified
 */
export function countedLogin(
  { rates, network }: Pick<Incoming, 'rates' | 'network'>,
  request: LogInRequest,
): (parts: ServedParts, call: Call) => Promise<OpenedSession> {
  const { cluster, token, chain } = request;
  const account = token === undefined ? holderOf(cluster, chain) : claimedAccount(cluster, token);
  if (account !== undefined) rates.admitLogin(account);
  return async (parts, call) => {
    const opened = await logIn(parts, call, request).catch((error: unknown) => {
      if (BrokerError.from(error).kind === 'unauthenticated') rates.failed(network);
      throw error;
    });
    // The token was verified since, and every verified token has a subject.
    if (account !== undefined) rates.loggedIn(account);
    return opened;
  };
}
