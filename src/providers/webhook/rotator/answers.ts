import * as z from 'zod';
import { BrokerError } from '../../../domain/errors.ts';
import type { SecretData } from '../../../domain/secret.ts';
import type { TargetVerdict } from '../../../ports/rotation-target.ts';
import { secretKey } from '../../rotator/options.ts';

const MOST_KEYS = 256;
/** A closed list, because words go into the log and the audit: with one of its own choice a receiver could put a password there. */
const reason = z.enum([
  'expired',
  'grants_missing',
  'in_use',
  'locked',
  'login_refused',
  'not_found',
  'not_permitted',
  'target_unavailable',
  'value_refused',
  'other',
]);

const bytes = z.strictObject({
  base64: z.string().refine((text) => Buffer.from(text, 'base64').toString('base64') === text),
});
const made = z
  .record(secretKey, z.union([z.string().refine((text) => text.isWellFormed()), bytes]))
  .refine((data) => Object.keys(data).length <= MOST_KEYS);

const version = z.literal(1);
const done = z.strictObject({ version, outcome: z.literal('done') });
const failed = z.strictObject({ version, outcome: z.enum(['failed', 'conflict']), reason });

const toCreate = z.union([done.extend({ pending: made }), failed]);
const toChange = z.union([done, failed]);
const toTest = z.union([
  z.strictObject({ version, outcome: z.literal('accepted') }),
  z.strictObject({ version, outcome: z.literal('refused'), reason }),
  failed,
]);

/** What a receiver may answer to each step, and nothing else. */
export const ANSWERS = {
  create: toCreate,
  set: toChange,
  test: toTest,
  retire: toChange,
  discard: toChange,
} as const;

export type Step = keyof typeof ANSWERS;
export type Answer<S extends Step> = z.output<(typeof ANSWERS)[S]>;

/** @throws ERR_PROVIDER_MALFORMED; what was answered is in no message. */
export function readAnswer<S extends Step>(step: S, given: unknown): Answer<S> {
  const parsed = ANSWERS[step].safeParse(given);
  if (!parsed.success) {
    throw new BrokerError('ERR_PROVIDER_MALFORMED', undefined, { reason: 'answer' });
  }
  return parsed.data as Answer<S>;
}

/** @throws ERR_PROVIDER_FAILED (tried again) or ERR_CONFLICT (parked) as the receiver says, with its word as the reason. */
export function refuseUnlessDone(answer: Answer<'set'>): void {
  if (answer.outcome !== 'done') throw failure(answer);
}

/** @throws as `refuseUnlessDone` */
export function madeOf(answer: Answer<'create'>): SecretData {
  if (answer.outcome !== 'done') throw failure(answer);
  return answer.pending;
}

/** @throws as `refuseUnlessDone`: a target that could not be asked is no refusal. */
export function verdictOf(answer: Answer<'test'>): TargetVerdict {
  if (answer.outcome === 'accepted') return { accepted: true };
  if (answer.outcome === 'refused') return { accepted: false, reason: answer.reason };
  throw failure(answer);
}

function failure(answer: z.output<typeof failed>): BrokerError {
  const code = answer.outcome === 'conflict' ? 'ERR_CONFLICT' : 'ERR_PROVIDER_FAILED';
  return new BrokerError(code, undefined, { reason: answer.reason });
}
