import type { Clock } from '../../ports/clock.ts';
import type { Log } from '../../ports/log.ts';
import type { Trace } from '../../ports/trace.ts';
import type { TracesConfig } from './config.ts';
import { SpanExporter, type SpanCounts } from './exporter.ts';
import { Tracer, type Random, type TracerOptions } from './tracer.ts';

interface TracesDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly random: Random;
  readonly release: string;
}

type CountedDeps = TracesDeps & { readonly counts: SpanCounts };

/** Traces with their exporter. */
export class OpenedTraces {
  readonly trace: Trace;
  /** Spans since the start. */
  readonly counts: Readonly<Record<'exported' | 'dropped', number>>;
  readonly #deps: CountedDeps;
  readonly #tracer: Tracer;
  #exporter: SpanExporter;

  private constructor(config: TracesConfig, exporter: SpanExporter, deps: CountedDeps) {
    this.#deps = deps;
    this.#exporter = exporter;
    this.#tracer = new Tracer(this.#options(config, exporter));
    this.trace = this.#tracer;
    this.counts = deps.counts;
  }

  /** @throws ERR_CONFIG_INVALID if the CA file cannot be read */
  static async open(config: TracesConfig, given: TracesDeps): Promise<OpenedTraces> {
    const deps = { ...given, counts: { exported: 0, dropped: 0 } };
    return new OpenedTraces(config, await SpanExporter.open(config, deps), deps);
  }

  /** Sends the spans of later requests by these settings; earlier ones still go where they belong. @throws ERR_CONFIG_INVALID as `open` */
  async prepare(config: TracesConfig): Promise<{ apply(): void; discard(): Promise<void> }> {
    const exporter = await SpanExporter.open(config, this.#deps);
    return {
      apply: () => {
        const former = this.#exporter;
        this.#exporter = exporter;
        this.#tracer.use(this.#options(config, exporter));
        void former.close();
      },
      discard: () => exporter.close(),
    };
  }

  close(): Promise<void> {
    return this.#exporter.close();
  }

  #options({ ratio, paths }: TracesConfig, exporter: SpanExporter): TracerOptions {
    const { clock, random } = this.#deps;
    return { ratio, paths, clock, random, onSpan: exporter.add.bind(exporter) };
  }
}
