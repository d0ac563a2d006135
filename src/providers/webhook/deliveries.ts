import { randomId } from '../../crypto/random.ts';
import type { SecretKey } from '../../crypto/secret-key.ts';
import { importWebhookKey, isSignedAnswer, signWebhook } from '../../crypto/webhook-signature.ts';
import { BrokerError } from '../../domain/errors.ts';
import type { CallContext } from '../../ports/call-context.ts';
import type { Clock } from '../../ports/clock.ts';
import { readPasswordFile } from '../sql/password-file.ts';
import { createGuard, type Guard } from '../guard/guard.ts';
import { parseJson } from '../../net/https/parse-json.ts';
import type { WebhookConnectionConfig } from './config.ts';
import type { WebhookEndpoint } from './client.ts';
import { readAnswer, type Answer, type Step } from './rotator/answers.ts';

const MS = 1000;

/** What is asked of the receiver; its own id is added to each delivery. */
export type Message<S extends Step> = Readonly<Record<string, unknown>> & { readonly step: S };

/** Signed posts to one receiver, and the signed answers to them. */
export class Deliveries {
  readonly #secretFile: string;
  readonly #endpoint: WebhookEndpoint;
  readonly #clock: Clock;
  readonly #guard: Guard;

  constructor(
    { secretFile, limits }: WebhookConnectionConfig,
    endpoint: WebhookEndpoint,
    clock: Clock,
  ) {
    this.#secretFile = secretFile;
    this.#endpoint = endpoint;
    this.#clock = clock;
    this.#guard = createGuard(limits, { clock });
  }

  /** What changes nothing, and is therefore asked again when the receiver is out of reach for a moment. @throws as `WebhookEndpoint.post`. */
  ask<S extends Step>(message: Message<S>, context: CallContext): Promise<Answer<S>> {
    return this.#guard.read(context, (signal) => this.#deliver(message, signal));
  }

  /** One delivery of what may change something, right after `stillOurs` let it. @throws as `WebhookEndpoint.post`, or what `stillOurs` throws. */
  tell<S extends Step>(
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
