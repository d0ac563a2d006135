import type { Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';
import type { Trace } from '../ports/trace.ts';
import type { TracesConfig } from './config.ts';
import { SpanExporter } from './exporter.ts';
import { Tracer } from './tracer.ts';

/** Traces with their exporter. */
export interface OpenedTraces {
  readonly trace: Trace;
  /** Spans since the start. */
  readonly counts: Readonly<Record<'exported' | 'dropped', number>>;
  close(): Promise<void>;
}

/** @throws ERR_CONFIG_INVALID if the CA file cannot be read */
export async function openTraces(
  config: TracesConfig,
  deps: { readonly clock: Clock; readonly log: Log; readonly release: string },
): Promise<OpenedTraces> {
  const exporter = await SpanExporter.open(config, deps);
  const { ratio, paths } = config;
  const onSpan = exporter.add.bind(exporter);
  const trace = new Tracer({ ratio, paths, clock: deps.clock, onSpan });
  return { trace, counts: exporter.counts, close: () => exporter.close() };
}
