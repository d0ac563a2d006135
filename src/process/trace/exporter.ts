import { readFile } from 'node:fs/promises';
import { BrokerError } from '../../domain/errors.ts';
import { headersIn } from '../../net/https/header-lines.ts';
import { HttpClient } from '../../net/https/http-client.ts';
import { readBody } from '../../net/https/read-body.ts';
import { retryAfterSeconds } from '../../net/https/retry-after.ts';
import { WatchedFile } from '../../net/watched-file.ts';
import { Backoff } from '../../ports/backoff.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Log } from '../../ports/log.ts';
import type { TracesConfig } from './config.ts';
import { exportBody, type Span } from './otlp.ts';
import { untraced, type Random } from './tracer.ts';

/** Spans that wait, those in flight included: about 2 MB. */
const MOST_SPANS = 2048;
const SPANS_A_BATCH = 512;
const PERIOD_MS = 5_000;
const REQUEST_MS = 10_000;
const LONGEST_PAUSE_MS = 60_000;
const MOST_ANSWER_BYTES = 65_536;
/** The collector asks for a retry; after every other refusal the batch is dropped (OTLP 1.x, "Retryable Response Codes"). */
const RETRYABLE = [429, 502, 503, 504];

/** Spans since the start, of all exporters of a process. */
export interface SpanCounts {
  exported: number;
  dropped: number;
}

interface ExporterDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly random: Pick<Random, 'fraction'>;
  readonly release: string;
  /** Counts of the earlier exporter that this one replaces. */
  readonly counts?: SpanCounts;
}

type Endpoint = Pick<TracesConfig, 'endpoint' | 'headersFile'>;

/** Sends spans to a collector in batches. A request never waits for it: spans beyond the bound are dropped and counted. */
export class SpanExporter {
  readonly counts: SpanCounts;
  readonly #url: URL;
  readonly #headersFile: WatchedFile | undefined;
  readonly #client: HttpClient;
  readonly #deps: ExporterDeps;
  readonly #backoff: Backoff;
  readonly #waiting: Span[] = [];
  #cancelTimer: () => void;
  #sending: Promise<void> | undefined;
  #isFailing = false;

  private constructor(endpoint: Endpoint, client: HttpClient, deps: ExporterDeps) {
    this.#url = new URL(endpoint.endpoint);
    this.#headersFile =
      endpoint.headersFile === undefined ? undefined : new WatchedFile(endpoint.headersFile);
    this.#client = client;
    this.#deps = deps;
    this.#backoff = new Backoff(1_000, LONGEST_PAUSE_MS, deps.random.fraction);
    this.counts = deps.counts ?? { exported: 0, dropped: 0 };
    this.#cancelTimer = this.#schedule(PERIOD_MS);
  }

  /** @throws ERR_CONFIG_INVALID if the CA file cannot be read */
  static async open(config: TracesConfig, deps: ExporterDeps): Promise<SpanExporter> {
    const { caFile, endpoint } = config;
    const isPlain = endpoint.startsWith('http:');
    const ca = caFile === undefined ? undefined : await readCa(caFile);
    const tls = isPlain ? 'off' : { ...(ca !== undefined && { ca }) };
    return new SpanExporter(config, new HttpClient({ tls, maxSockets: 1 }), deps);
  }

  add(span: Span): void {
    if (this.#waiting.length >= MOST_SPANS) {
      this.counts.dropped += 1;
      return;
    }
    this.#waiting.push(span);
    if (this.#waiting.length === SPANS_A_BATCH && !this.#isFailing) this.#wake();
  }

  /** Sends the rest, once: a collector that is down must not delay the end of the broker. */
  async close(): Promise<void> {
    await this.#sending;
    this.#cancelTimer();
    while (this.#waiting.length > 0 && !this.#isFailing) await this.#send();
    this.#client.close();
  }

  #schedule(ms: number): () => void {
    return this.#deps.clock.after(ms, () => this.#wake());
  }

  #wake(): void {
    if (this.#sending !== undefined) return;
    this.#cancelTimer();
    this.#sending = untraced(() => this.#send()).then((pauseMs) => {
      this.#sending = undefined;
      this.#cancelTimer = this.#schedule(pauseMs);
    });
  }

  /** A batch leaves the queue only after it was sent or refused, so that the bound counts it. Returns the pause before the next one. */
  async #send(): Promise<number> {
    const batch = this.#waiting.slice(0, SPANS_A_BATCH);
    try {
      if (batch.length > 0) await this.#post(batch);
      this.#succeed(batch.length);
      return this.#waiting.length >= SPANS_A_BATCH ? 0 : PERIOD_MS;
    } catch (error) {
      return this.#fail(batch.length, error);
    }
  }

  #succeed(count: number): void {
    this.#waiting.splice(0, count);
    this.counts.exported += count;
    if (count === 0) return;
    if (this.#isFailing) this.#deps.log.info({}, 'traces are exported again');
    this.#isFailing = false;
    this.#backoff.reset();
  }

  #fail(count: number, error: unknown): number {
    const { isFinal, retryAfter } =
      error instanceof Refusal ? error : { isFinal: false, retryAfter: undefined };
    if (isFinal) {
      this.#waiting.splice(0, count);
      this.counts.dropped += count;
    }
    if (!this.#isFailing) this.#deps.log.warn({ err: error }, 'traces cannot be exported');
    this.#isFailing = true;
    return this.#backoff.next(retryAfter);
  }

  async #post(batch: readonly Span[]): Promise<void> {
    const { clock, release } = this.#deps;
    const deadline = new AbortController();
    const cancel = clock.after(REQUEST_MS, () => deadline.abort(new Error('deadline')));
    try {
      const headers = { 'content-type': 'application/json', ...(await this.#headers()) };
      const body = exportBody(batch, release);
      const { signal } = deadline;
      const sent = { method: 'POST', url: this.#url, headers, body, signal };
      const response = await this.#client.open(sent);
      await readBody(response, MOST_ANSWER_BYTES);
      const { statusCode = 0 } = response;
      if (statusCode < 200 || statusCode > 299) {
        const { 'retry-after': after, date } = response.headers;
        throw new Refusal(statusCode, retryAfterSeconds(after, date));
      }
    } finally {
      cancel();
    }
  }

  async #headers(): Promise<Readonly<Record<string, string>>> {
    const text = await this.#headersFile?.text();
    return text === undefined ? {} : headersIn(text, 'traces.headersFile');
  }
}

class Refusal extends Error {
  readonly isFinal: boolean;
  readonly retryAfter: number | undefined;

  constructor(status: number, retryAfter: number | undefined) {
    super(`the collector answered with status ${status}`);
    this.isFinal = !RETRYABLE.includes(status);
    this.retryAfter = retryAfter;
  }
}

async function readCa(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw new BrokerError('ERR_CONFIG_INVALID', `traces.caFile ${path} cannot be read`, { cause });
  }
}
