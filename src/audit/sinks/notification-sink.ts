import { importWebhookKey, signWebhook } from '../../crypto/signatures/webhook-signature.ts';
import { sha256Hex } from '../../crypto/hashes/digest.ts';
import {
  pagerdutyBodies,
  signedBody,
  slackBody,
  type NotificationBatch,
} from '../../domain/notifications/notification-bodies.ts';
import { notificationOf } from '../../domain/notifications/notification.ts';
import { HttpClient } from '../../net/https/http-client.ts';
import { readBody } from '../../net/https/read-body.ts';
import { retryAfterSeconds } from '../../net/https/retry-after.ts';
import { socketFailure } from '../../net/socket-failure.ts';
import { WatchedFile } from '../../net/watched-file.ts';
import type { Clock } from '../../ports/clock.ts';
import { withDeadline } from '../../ports/deadline.ts';
import { address } from '../base/config.ts';
import { SinkError, type Delivery, type Sink } from './sink.ts';
import type { NotificationTarget } from './config.ts';

const DEADLINE_MS = 30_000;
const MOST_ANSWER_BYTES = 65_536;

interface Post {
  readonly url: URL;
  readonly body: string;
  readonly signature?: string;
}

/**
 * Sends the entries that people must know of to one receiver. The audit log is its queue: the cursor moves when the receiver accepted all events of a delivery, so each
 * arrives at least once, also after a crash.
 */
export class NotificationSink implements Sink {
  readonly name: string;
  readonly unconfirmed = 0;
  readonly #target: NotificationTarget;
  readonly #clock: Pick<Clock, 'after' | 'now'>;
  readonly #ca: WatchedFile | undefined;
  /** File with the key or the address. */
  readonly #secret: WatchedFile;
  #http: HttpClient | undefined;
  #trusted: string | undefined;
  #delivered = 0;
  #undelivered = 0;

  constructor(name: string, target: NotificationTarget, clock: Pick<Clock, 'after' | 'now'>) {
    this.name = `notification:${name}`;
    this.#target = target;
    this.#clock = clock;
    this.#ca = target.caFile === undefined ? undefined : new WatchedFile(target.caFile);
    this.#secret = new WatchedFile(secretFileOf(target));
  }

  /** Events that the receiver accepted since the start of this process. */
  get delivered(): number {
    return this.#delivered;
  }

  /** Events of the delivery that waits. There may be more behind them in the log. */
  get undelivered(): number {
    return this.#undelivered;
  }

  async deliver({ origin, first, entries }: Delivery): Promise<void> {
    const { events } = this.#target;
    const notifications = entries
      .flatMap((entry, at) => notificationOf(entry, first + at) ?? [])
      .filter(({ event }) => events.includes(event));
    if (notifications.length === 0) return;
    this.#undelivered = notifications.length;
    await this.#post({ origin, notifications });
    this.#undelivered = 0;
    this.#delivered += notifications.length;
  }

  /** Sends an event that is about no entry, whatever events the receiver wants. @throws SinkError */
  async sendTest(origin: string): Promise<void> {
    const time = new Date(this.#clock.now()).toISOString();
    const summary = `test of the notifications of ${origin}: nothing happened`;
    const event = { index: 0, event: 'test', severity: 'info', time, summary } as const;
    await this.#post({ origin, notifications: [event] });
  }

  async #post(batch: NotificationBatch): Promise<void> {
    for (const post of await this.#postsOf(batch))
      await withDeadline(this.#clock, DEADLINE_MS, (signal) => this.#send(post, signal));
  }

  reopen(): Promise<void> {
    return Promise.resolve();
  }

  close(): Promise<void> {
    this.#http?.close();
    return Promise.resolve();
  }

  async #postsOf(batch: NotificationBatch): Promise<readonly Post[]> {
    const target = this.#target;
    const secret = (await read(this.#secret)).trim();
    if (target.format === 'slack') {
      const url = address.safeParse(secret);
      if (!url.success) throw new SinkError('urlFile has no https address');
      return [{ url: new URL(url.data), body: slackBody(batch) }];
    }
    const url = new URL(target.url);
    if (target.format === 'pagerduty')
      return pagerdutyBodies(batch, secret).map((body) => ({ url, body }));
    const key = importWebhookKey(secret);
    if (key === undefined) throw new SinkError('secretFile has no key of at least 32 bytes');
    const body = signedBody(batch);
    const at = Math.floor(this.#clock.now() / 1_000);
    const message = { direction: 'notification', at, body: Buffer.from(body) } as const;
    // A repeated delivery of the same events has the same id, by which a receiver can leave it out.
    const id = `ntf_${sha256Hex(body).slice(0, 32)}`;
    return [{ url, body, signature: signWebhook(key, { ...message, id }) }];
  }

  async #send({ url, body, signature }: Post, signal: AbortSignal): Promise<void> {
    const http = this.#clientFor(url, this.#ca && (await read(this.#ca)));
    const headers = {
      'content-type': 'application/json',
      ...(signature !== undefined && { 'quaymaster-signature': signature }),
    };
    const response = await http
      .open({ method: 'POST', url, headers, body, signal })
      .catch((error: unknown) => {
        const why = signal.aborted ? 'no answer in time' : socketFailure(error).message;
        throw new SinkError(`the receiver could not be reached: ${why}`);
      });
    await readBody(response, MOST_ANSWER_BYTES).catch(() => response.destroy());
    const { statusCode = 0, headers: answered } = response;
    if (statusCode >= 200 && statusCode <= 299) return;
    const after = retryAfterSeconds(answered['retry-after'], answered.date);
    throw new SinkError(`the receiver answered ${statusCode}`, after);
  }

  #clientFor(url: URL, ca: string | undefined): HttpClient {
    if (this.#http === undefined || ca !== this.#trusted) {
      this.#http?.close();
      const tls = url.protocol === 'http:' ? 'off' : { ...(ca !== undefined && { ca }) };
      this.#http = new HttpClient({ tls, maxSockets: 1 });
      this.#trusted = ca;
    }
    return this.#http;
  }
}

function secretFileOf(target: NotificationTarget): string {
  if (target.format === 'slack') return target.urlFile;
  return target.format === 'pagerduty' ? target.routingKeyFile : target.secretFile;
}

async function read(file: WatchedFile): Promise<string> {
  try {
    return await file.text();
  } catch {
    throw new SinkError('a file of the notification target cannot be read');
  }
}
