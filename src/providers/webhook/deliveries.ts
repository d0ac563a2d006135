import { randomId } from '../../crypto/random/random.ts';
import type { SecretKey } from '../../crypto/random/secret-key.ts';
import {
  importWebhookKey,
  isSignedAnswer,
  signWebhook,
} from '../../crypto/signatures/webhook-signature.ts';
import { BrokerError } from '../../domain/errors.ts';
import type { CallState } from '../../ports/backend.ts';
import type { CallContext } from '../../ports/call-context.ts';
import type { Clock } from '../../ports/clock.ts';
import { readPasswordFile } from '../server/password-file.ts';
import { createGuard, type Guard, type GuardParts } from '../guard/guard.ts';
import { parseJson } from '../../net/https/parse-json.ts';
import type { WebhookConnectionConfig } from './config.ts';
import type { WebhookEndpoint } from './client.ts';
import * as z from 'zod';
import type { SecretData } from '../../domain/secrets/secret.ts';
import type { TargetVerdict } from '../../ports/rotation-target.ts';
import { secretKey } from '../rotator/options.ts';

const MS = 1000;

/** The request to the receiver; each delivery adds its own id. */
export type Message<S extends Step> = Readonly<Record<string, unknown>> & { readonly step: S };

/** Signed posts to one receiver, and its signed answers. */
export class Deliveries {
  readonly #secretFile: string;
  readonly #endpoint: WebhookEndpoint;
  readonly #clock: Clock;
  readonly #guard: Guard;

  constructor(
    { secretFile, limits }: WebhookConnectionConfig,
    endpoint: WebhookEndpoint,
    parts: GuardParts,
  ) {
    this.#secretFile = secretFile;
    this.#endpoint = endpoint;
    this.#clock = parts.clock;
    this.#guard = createGuard(limits, parts);
  }

  state(): CallState {
    return this.#guard.state();
  }

  /** A message without effect, so it is retried if the receiver is unavailable for a moment. @throws as `WebhookEndpoint.post`. */
  ask<S extends Step>(message: Message<S>, context: CallContext): Promise<Answer<S>> {
    return this.#guard.read(context, (signal) => this.#deliver(message, signal));
  }

  /**
   * One delivery of a message that may have an effect, right after `stillOurs` allowed it.
   * @throws as `WebhookEndpoint.post`, or as `stillOurs`.
   */
  send<S extends Step>(
    message: Message<S>,
    context: CallContext,
    stillOurs: () => void,
  ): Promise<Answer<S>> {
    return this.#guard.effect(context, (signal) => this.#deliver(message, signal, stillOurs));
  }

  async #deliver<S extends Step>(
    message: Message<S>,
    signal: AbortSignal,
    stillOurs?: () => void,
  ): Promise<Answer<S>> {
    const key = await this.#key();
    const id = randomId('dlv');
    const body = Buffer.from(JSON.stringify({ version: 1, delivery: id, ...message }));
    const at = Math.floor(this.#clock.now() / MS);
    const signature = signWebhook(key, { direction: 'request', id, at, body });
    const headers = {
      'content-type': 'application/json',
      accept: 'application/json',
      'user-agent': 'quaymaster',
      'quaymaster-signature': signature,
    };
    stillOurs?.();
    const answer = await this.#endpoint.post({ headers, body }, signal);
    if (!isSignedAnswer(key, answer.signature, { id, body: answer.body })) {
      throw new BrokerError('ERR_PROVIDER_MALFORMED', undefined, { reason: 'signature' });
    }
    return readAnswer(message.step, parseJson(answer.body));
  }

  async #key(): Promise<SecretKey> {
    const text = await readPasswordFile(this.#secretFile);
    const key = importWebhookKey(text.reveal());
    if (key !== undefined) return key;
    const cause = new Error(`${this.#secretFile} holds no key of 32 characters`);
    throw new BrokerError('ERR_PROVIDER_UNAVAILABLE', undefined, {
      cause,
      reason: 'credential_file',
    });
  }
}

const MOST_KEYS = 256;
/** A closed list, because these words go into the log and the audit: with free text a receiver could put a password there. */
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

/** The only answers that a receiver may give to each step. */
export const ANSWERS = {
  create: toCreate,
  set: toChange,
  test: toTest,
  retire: toChange,
  discard: toChange,
} as const;

export type Step = keyof typeof ANSWERS;
export type Answer<S extends Step> = z.output<(typeof ANSWERS)[S]>;

/** @throws ERR_PROVIDER_MALFORMED; no message contains the answer. */
function readAnswer<S extends Step>(step: S, given: unknown): Answer<S> {
  const parsed = ANSWERS[step].safeParse(given);
  if (!parsed.success) {
    throw new BrokerError('ERR_PROVIDER_MALFORMED', undefined, { reason: 'answer' });
  }
  return parsed.data as Answer<S>;
}

/** @throws ERR_PROVIDER_FAILED (retried) or ERR_CONFLICT (parked), as the receiver answers; `reason` is the receiver's word. */
export function refuseUnlessDone(answer: Answer<'set'>): void {
  if (answer.outcome !== 'done') throw failure(answer);
}

/** @throws as `refuseUnlessDone` */
export function pendingValueOf(answer: Answer<'create'>): SecretData {
  if (answer.outcome !== 'done') throw failure(answer);
  return answer.pending;
}

/** @throws as `refuseUnlessDone`: a target that could not be reached is not a refusal. */
export function verdictOf(answer: Answer<'test'>): TargetVerdict {
  if (answer.outcome === 'accepted') return { accepted: true };
  if (answer.outcome === 'refused') return { accepted: false, reason: answer.reason };
  throw failure(answer);
}

function failure(answer: z.output<typeof failed>): BrokerError {
  const code = answer.outcome === 'conflict' ? 'ERR_CONFLICT' : 'ERR_PROVIDER_FAILED';
  return new BrokerError(code, undefined, { reason: answer.reason });
}
