import { AsyncLocalStorage } from 'node:async_hooks';
import { BrokerError } from '../../domain/errors.ts';
import { traceHeader } from '../../net/https/trace-header.ts';
import type { Clock } from '../../ports/clock.ts';
import type { PartName, Trace, TracedRequest } from '../../ports/trace.ts';
import { KIND, type Attributes, type Span } from './otlp.ts';
import { formatTraceparent, parseTraceparent } from './traceparent.ts';

const TRACE_ID_BYTES = 16;
const SPAN_ID_BYTES = 8;
/** The last 52 random bits of a trace id, which a double holds exactly. */
const RANDOM_DIGITS = 13;
const RANDOM_RANGE = 2 ** 52;
const SERVER_ERROR = 500;
const MOST_PATH_CHARACTERS = 256;

/** A trace of this process. Its times are monotonic from its beginning, so a jump of the wall clock changes no duration. */
interface Begun {
  readonly traceId: string;
  readonly wallAt: number;
  readonly monotonicAt: number;
  isOver: boolean;
}

interface OpenSpan {
  readonly trace: Begun;
  readonly spanId: string;
}

const current = new AsyncLocalStorage<OpenSpan>();

/** Work that a request started may outlive it: its later parts belong to no trace. */
function openSpan(): OpenSpan | undefined {
  const span = current.getStore();
  return span?.trace.isOver === false ? span : undefined;
}

traceHeader.current = () => {
  const span = openSpan();
  return span && formatTraceparent(span.trace.traceId, span.spanId);
};

/** Runs `work` outside the current request, for example an export. */
export function untraced<T>(work: () => T): T {
  return current.exit(work);
}

/** The source of identifiers and of jitter. */
export interface Random {
  readonly bytes: (length: number) => Buffer;
  /** A number in [0, 1). */
  readonly fraction: () => number;
}

export interface TracerOptions {
  /** The share of all traces that are recorded. */
  readonly ratio: number;
  readonly paths: boolean;
  readonly clock: Clock;
  readonly random: Pick<Random, 'bytes'>;
  readonly onSpan: (span: Span) => void;
}

/** Makes spans of requests and their parts. */
export class Tracer implements Trace {
  #options: TracerOptions;

  constructor(options: TracerOptions) {
    this.#options = options;
  }

  /** Changes the options for requests that begin from now on. */
  use(options: TracerOptions): void {
    this.#options = options;
  }

  async request(request: TracedRequest, work: () => Promise<number>): Promise<number> {
    const parent = parseTraceparent(request.traceparent);
    const traceId = parent?.traceId ?? this.#newId(TRACE_ID_BYTES);
    // A caller may ask that its trace is not recorded. It cannot ask for more than the ratio allows: its spans would displace
    // spans of others.
    if (parent?.isSampled === false || !this.#isSampled(traceId)) return untraced(work);
    const { clock, onSpan, paths } = this.#options;
    const trace: Begun = {
      traceId,
      wallAt: clock.now(),
      monotonicAt: clock.monotonic(),
      isOver: false,
    };
    const spanId = this.#newId(SPAN_ID_BYTES);
    const status = await current.run({ trace, spanId }, work);
    trace.isOver = true;
    onSpan({
      traceId,
      spanId,
      parentId: parent?.spanId,
      isParentRemote: parent !== undefined,
      name: `${request.method} ${request.route}`,
      kind: KIND.server,
      startedAt: trace.wallAt,
      endedAt: this.#timeIn(trace),
      attributes: {
        'http.request.method': request.method,
        'http.route': request.route,
        'http.response.status_code': status,
        'quaymaster.request_id': request.requestId,
        ...(paths && { 'url.path': request.path.slice(0, MOST_PATH_CHARACTERS) }),
        ...(status >= SERVER_ERROR && { 'error.type': String(status) }),
      },
      hasFailed: status >= SERVER_ERROR,
    });
    return status;
  }

  part<T>(name: PartName, work: () => T, connection?: string): T {
    const parent = openSpan();
    if (parent === undefined) return work();
    const { trace } = parent;
    const spanId = this.#newId(SPAN_ID_BYTES);
    const startedAt = this.#timeIn(trace);
    const own: Attributes = connection === undefined ? {} : { 'quaymaster.connection': connection };
    const end = (failure?: unknown): void =>
      this.#options.onSpan({
        traceId: trace.traceId,
        spanId,
        parentId: parent.spanId,
        isParentRemote: false,
        name,
        kind: name === 'call' ? KIND.client : KIND.internal,
        startedAt,
        endedAt: this.#timeIn(trace),
        attributes:
          failure === undefined ? own : { ...own, 'error.type': BrokerError.from(failure).code },
        hasFailed: failure !== undefined,
      });
    try {
      const made = current.run({ trace, spanId }, work);
      if (made instanceof Promise) made.then(() => end(), end);
      else end();
      return made;
    } catch (error) {
      end(error);
      throw error;
    }
  }

  #timeIn({ wallAt, monotonicAt }: Begun): number {
    return wallAt + this.#options.clock.monotonic() - monotonicAt;
  }

  /** All services with the same ratio make the same choice for a trace (W3C Trace Context level 2, random trace ids). */
  #isSampled(traceId: string): boolean {
    const random = Number.parseInt(traceId.slice(-RANDOM_DIGITS), 16) / RANDOM_RANGE;
    return random >= 1 - this.#options.ratio;
  }

  #newId(bytes: number): string {
    return this.#options.random.bytes(bytes).toString('hex');
  }
}
