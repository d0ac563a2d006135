import * as z from 'zod';
import { BrokerError } from '../../../domain/errors.ts';
import type { SecretData } from '../../../domain/secrets/secret.ts';
import { Sensitive } from '../../../domain/secrets/sensitive.ts';
import { VaultAnswerError, failMalformed } from '../errors.ts';
import { toSecretData } from '../kv-data.ts';

/** Schema of a duration: no text, no fraction, and no value that means "forever" (CVE-2020-12757). */
const seconds = z.int().min(1);

const tokenAnswer = z.object({
  auth: z.object({
    client_token: z.string().min(1),
    accessor: z.string().min(1),
    lease_duration: z.int().min(0),
    orphan: z.boolean(),
    renewable: z.boolean(),
  }),
});
const extendedAnswer = z.object({ auth: z.object({ lease_duration: seconds }) });
const leaseAnswer = z.object({ lease_id: z.string().min(1).max(1024), lease_duration: seconds });
const lookupAnswer = z.object({
  data: z.object({ meta: z.object({ quaymaster_intent: z.string() }).nullish() }),
});
const credentialAnswer = leaseAnswer.extend({ renewable: z.boolean(), data: z.unknown() });

export interface OrphanToken {
  readonly token: Sensitive<string>;
  readonly accessor: string;
  /** Lifetime; 0: it never expires. */
  readonly seconds: number;
  /** An orphan that expires and can be extended, as the token role must create it. */
  readonly isFit: boolean;
}

export interface MadeCredential {
  readonly data: SecretData;
  readonly lease: string;
  readonly seconds: number;
  readonly renewable: boolean;
}

/** @throws ERR_PROVIDER_MALFORMED, as the others here. */
export function parseOrphanToken(answer: unknown): OrphanToken {
  const parsed = tokenAnswer.safeParse(answer);
  if (!parsed.success) return failMalformed('token_answer');
  const { auth } = parsed.data;
  return {
    token: new Sensitive(auth.client_token),
    accessor: auth.accessor,
    seconds: auth.lease_duration,
    isFit: auth.orphan && auth.renewable && auth.lease_duration > 0,
  };
}

export function parseTokenSeconds(answer: unknown): number {
  const parsed = extendedAnswer.safeParse(answer);
  return parsed.success ? parsed.data.auth.lease_duration : failMalformed('token_answer');
}

/** The intent for which a token was created; undefined for a token that the broker did not create. */
export function parseTokenIntent(answer: unknown): string | undefined {
  return lookupAnswer.safeParse(answer).data?.data.meta?.quaymaster_intent;
}

export function parseLeaseSeconds(answer: unknown): number {
  const parsed = leaseAnswer.safeParse(answer);
  return parsed.success ? parsed.data.lease_duration : failMalformed('lease_answer');
}

export function parseCredential(answer: unknown): MadeCredential {
  const parsed = credentialAnswer.safeParse(answer);
  if (!parsed.success) return failMalformed('credential_answer');
  const { lease_id: lease, lease_duration: duration, renewable, data } = parsed.data;
  return { data: toSecretData(data), lease, seconds: duration, renewable };
}

/** Reports whether the server reports the token or lease as gone. It answers 400 or 403, depending on product and version. */
export function saysGone(error: unknown): boolean {
  if (!(error instanceof BrokerError)) return false;
  if (error.code === 'ERR_NOT_FOUND') return true;
  return error.cause instanceof VaultAnswerError && error.cause.says('gone');
}

/** Reports whether the server refuses the request because the broker's own token lacks the right. */
export function saysForbidden(error: unknown): boolean {
  if (!(error instanceof BrokerError) || !(error.cause instanceof VaultAnswerError)) return false;
  return error.cause.status === 403;
}
