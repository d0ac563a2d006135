import type { IncomingMessage } from 'node:http';
import { headersIn } from '../../net/https/header-lines.ts';
import { HttpClient } from '../../net/https/http-client.ts';
import { readBody } from '../../net/https/read-body.ts';
import { retryAfterSeconds } from '../../net/https/retry-after.ts';
import { socketFailure } from '../../net/socket-failure.ts';
import { WatchedFile } from '../../net/watched-file.ts';
import type { Clock } from '../../ports/clock.ts';
import { withDeadline } from '../../ports/deadline.ts';
import type { SinkConfig } from '../base/config.ts';
import type { LogFormat } from '../../domain/audit/formats/format-names.ts';
import { deliveryParts, formatted, SinkError, type Delivery, type Sink } from './sink.ts';

type HttpSinkConfig = Extract<SinkConfig, { type: 'http' }>;

const DEADLINE_MS = 30_000;
/** Entries in one request; a single entry of up to 64 KiB always fits. */
const MOST_BYTES = 1_048_576;
const MOST_ANSWER_BYTES = 65_536;

/** One entry a line, each with its index in the log. The text of the entry is not changed, so that its hash can be computed. */
function requestBody(format: LogFormat, delivery: Delivery): string {
  const lines = formatted(format, delivery);
  const { first } = delivery;
  return format === 'json'
    ? lines.map((entry, at) => `{"index":${first + at},"entry":${entry}}\n`).join('')
    : lines.map((line) => `${line}\n`).join('');
}

/** Posts entries to a receiver. A 2xx response acknowledges all entries of its request; internals/spec/audit-sinks-v1.md. */
export class HttpSink implements Sink {
  readonly name: string;
  readonly unconfirmed = 0;
  readonly #url: URL;
  readonly #clock: Pick<Clock, 'after'>;
  readonly #format: LogFormat;
  readonly #ca: WatchedFile | undefined;
  readonly #headers: WatchedFile | undefined;
  #http: HttpClient | undefined;
  #trusted: string | undefined;

  constructor(
    { url, caFile, headersFile, format = 'json' }: HttpSinkConfig,
    clock: Pick<Clock, 'after'>,
  ) {
    this.name = `http:${url}`;
    this.#url = new URL(url);
    this.#clock = clock;
    this.#format = format;
    this.#ca = caFile === undefined ? undefined : new WatchedFile(caFile);
    this.#headers = headersFile === undefined ? undefined : new WatchedFile(headersFile);
  }

  async deliver(delivery: Delivery): Promise<void> {
    for (const part of deliveryParts(delivery, MOST_BYTES))
      await withDeadline(this.#clock, DEADLINE_MS, (signal) => this.#post(part, signal));
  }

  reopen(): Promise<void> {
    return Promise.resolve();
  }

  close(): Promise<void> {
    this.#http?.close();
    return Promise.resolve();
  }

  async #post(part: Delivery, signal: AbortSignal): Promise<void> {
    const { statusCode = 0, headers } = await this.#answer(part, signal);
    if (statusCode >= 200 && statusCode <= 299) return;
    const after = retryAfterSeconds(headers['retry-after'], headers.date);
    throw new SinkError(`the receiver answered ${statusCode}`, after);
  }

  /** Returns the head of the response. The body is ignored; it is read only so that the connection can be reused. */
  async #answer(part: Delivery, signal: AbortSignal): Promise<IncomingMessage> {
    const http = this.#clientFor(await this.#read(this.#ca, 'caFile'));
    const headers = await this.#requestHeaders(part);
    try {
      const body = requestBody(this.#format, part);
      const sent = { method: 'POST', url: this.#url, headers, body, signal };
      const response = await http.open(sent);
      await readBody(response, MOST_ANSWER_BYTES).catch(() => response.destroy());
      return response;
    } catch (error) {
      const why = signal.aborted
        ? `no answer within ${DEADLINE_MS / 1_000} s`
        : socketFailure(error).message;
      throw new SinkError(`the receiver could not be reached: ${why}`);
    }
  }

  async #requestHeaders({ origin, first, entries }: Delivery): Promise<Record<string, string>> {
    const lines = await this.#read(this.#headers, 'headersFile');
    return {
      ...(lines !== undefined && headersIn(lines, 'headersFile')),
      'content-type': this.#format === 'cef' ? 'text/plain; charset=utf-8' : 'application/x-ndjson',
      'quaymaster-log-origin': origin,
      'quaymaster-first-index': String(first),
      'quaymaster-count': String(entries.length),
    };
  }

  async #read(file: WatchedFile | undefined, setting: string): Promise<string | undefined> {
    try {
      return await file?.text();
    } catch {
      throw new SinkError(`${setting} cannot be read`);
    }
  }

  #clientFor(ca: string | undefined): HttpClient {
    if (this.#http === undefined || ca !== this.#trusted) {
      this.#http?.close();
      const isPlain = this.#url.protocol === 'http:';
      const tls = isPlain ? 'off' : { ...(ca !== undefined && { ca }) };
      this.#http = new HttpClient({ tls, maxSockets: 1 });
      this.#trusted = ca;
    }
    return this.#http;
  }
}
