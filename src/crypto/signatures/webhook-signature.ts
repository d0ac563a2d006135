import { createSecretKey } from 'node:crypto';
import { constantTimeEqual, hmac } from '../hashes/digest.ts';
import { isDegenerate, type SecretKey } from '../random/secret-key.ts';

/**
 * Labels of webhook signatures; all others are in associated-data.ts. The signed message is text, because receivers are written in every language.
 */
const LABELS = {
  request: 'quaymaster-webhook-v1-request',
  answer: 'quaymaster-webhook-v1-answer',
  alert: 'quaymaster-alert-v1',
  notification: 'quaymaster-notification-v1',
} as const;

const LEAST_KEY_BYTES = 32;
/** Seconds by which the time of an alert may differ from the clock of the broker. */
const WINDOW_SECONDS = 300;
const HEADER = /^t=(0|[1-9]\d{0,11}),id=([0-9a-z_]{1,64}),v1=([0-9a-f]{64})$/;

/** One message of a webhook and its direction (internals/spec/webhook-v1.md). */
export interface WebhookMessage {
  readonly direction: keyof typeof LABELS;
  /** Random and never reused; an answer has the id of the request that it answers. */
  readonly id: string;
  /** Seconds since the epoch, by the clock of the sender. */
  readonly at: number;
  readonly body: Uint8Array;
}

/** Imports a shared key from text, whose bytes are the key. Undefined for under 32 bytes, or for a pattern that repeats itself. */
export function importWebhookKey(text: string): SecretKey | undefined {
  const bytes = Buffer.from(text);
  const isUsable = bytes.length >= LEAST_KEY_BYTES && !isDegenerate(bytes);
  const key = isUsable ? createSecretKey(bytes) : undefined;
  bytes.fill(0);
  return key;
}

/** The value of the header `Quaymaster-Signature`. */
export function signWebhook(key: SecretKey, message: WebhookMessage): string {
  return `t=${message.at},id=${message.id},v1=${macOf(key, message).toString('hex')}`;
}

/** Reports whether `header` signs `body` as the answer to the request `id`. An answer to another request, or to none, is refused. */
export function isSignedAnswer(
  key: SecretKey,
  header: string,
  { id, body }: Pick<WebhookMessage, 'id' | 'body'>,
): boolean {
  const [, at = '', answered, mac = ''] = HEADER.exec(header) ?? [];
  if (answered !== id) return false;
  const expected = macOf(key, { direction: 'answer', id, at: Number(at), body });
  return constantTimeEqual(Buffer.from(mac, 'hex'), expected);
}

/** Reports whether `header` signs `body` as an alert (internals/spec/alert-v1.md) whose time is near `now`, in seconds since the epoch. */
export function isSignedAlert(
  key: SecretKey,
  header: string,
  { body, now }: Pick<WebhookMessage, 'body'> & { readonly now: number },
): boolean {
  const [, at = '', id = '', mac = ''] = HEADER.exec(header) ?? [];
  if (mac === '' || Math.abs(Number(at) - now) > WINDOW_SECONDS) return false;
  const expected = macOf(key, { direction: 'alert', id, at: Number(at), body });
  return constantTimeEqual(Buffer.from(mac, 'hex'), expected);
}

/** Injective: the label and the numbers contain no line break, and the body is the rest. */
function macOf(key: SecretKey, { direction, at, id, body }: WebhookMessage): Buffer {
  return hmac(key, `${LABELS[direction]}\n${at}\n${id}\n${body.length}\n`, body);
}
