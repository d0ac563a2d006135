import type { Metric, Sample } from '../../ports/metrics.ts';

interface Readiness {
  readonly ready: boolean;
  readonly reasons: readonly string[];
  readonly held?: readonly { readonly reason: string }[] | undefined;
  readonly warnings?: readonly string[] | undefined;
}

/** The contents of `readyz`. These metrics exist from the start of the process, before keys and store are open. */
export function readinessMetrics(readiness: () => Readiness): readonly Metric[] {
  const each = (label: string, words: Iterable<string>): readonly Sample[] =>
    [...new Set(words)].map((word) => [{ [label]: word }, 1]);
  return [
    {
      name: 'quaymaster_ready',
      help: '1 while requests are served',
      value: () => (readiness().ready ? 1 : 0),
    },
    {
      name: 'quaymaster_not_ready',
      help: '1 for each reason why requests are refused, as in readyz',
      labels: ['reason'],
      values: () => each('reason', readiness().reasons),
    },
    {
      name: 'quaymaster_held',
      help: '1 for each reason why the store is held, as in readyz',
      labels: ['reason'],
      values: () => each('reason', readiness().held?.map(({ reason }) => reason) ?? []),
    },
    {
      name: 'quaymaster_warning',
      help: '1 for each warning of readyz: requests are served, but an operator must look',
      labels: ['warning'],
      values: () => each('warning', readiness().warnings ?? []),
    },
  ];
}

/** The certificate of the API listener. */
export function certificateMetrics(certificate: {
  /** Milliseconds since the epoch; 0 if the certificate cannot be read. */
  readonly expiresAt: () => number;
  readonly hasReloadFailed: () => boolean;
}): readonly Metric[] {
  return [
    {
      name: 'quaymaster_tls_certificate_expires_timestamp_seconds',
      help: 'When the certificate of the API listener expires',
      value: () => certificate.expiresAt() / 1000,
    },
    {
      name: 'quaymaster_tls_reload_failed',
      help: '1 while the certificate files of the API listener cannot be used and an earlier certificate is in use',
      value: () => (certificate.hasReloadFailed() ? 1 : 0),
    },
  ];
}

/** Connections of one listener that it did not keep, since its start. */
export interface TurnedAway {
  readonly refused: number;
  readonly evicted: number;
}

/** The listeners by name, such as `api`; a listener that opens later joins the map. */
export function listenerMetrics(listeners: ReadonlyMap<string, TurnedAway>): readonly Metric[] {
  return [
    {
      name: 'quaymaster_listener_connections_closed_total',
      help: 'Connections that a listener closed by result: refused above its limits, or evicted because they were quiet and a new one needed room',
      labels: ['listener', 'result'],
      values: () =>
        [...listeners].flatMap(([listener, { refused, evicted }]) => [
          [{ listener, result: 'refused' }, refused] as const,
          [{ listener, result: 'evicted' }, evicted] as const,
        ]),
    },
  ];
}

/** The configuration in use. Its digest is not a label: it would make a series for each change. */
export function configurationMetrics(reload: {
  inUse(): {
    readonly failure?: unknown;
    readonly generation: number;
    readonly loadedAt: number;
  };
}): readonly Metric[] {
  return [
    {
      name: 'quaymaster_config_reload_failed',
      help: '1 if the last reload of the configuration failed; the configuration before it is in use',
      value: () => (reload.inUse().failure === undefined ? 0 : 1),
    },
    {
      name: 'quaymaster_config_generation',
      help: 'Configurations used since the start; each reload that changes a setting adds 1',
      value: () => reload.inUse().generation,
    },
    {
      name: 'quaymaster_config_loaded_timestamp_seconds',
      help: 'When the configuration in use was read',
      value: () => reload.inUse().loadedAt / 1000,
    },
  ];
}

/** Spans of this process. */
export function traceMetrics({
  counts,
}: {
  readonly counts: { readonly exported: number; readonly dropped: number };
}): readonly Metric[] {
  return [
    {
      name: 'quaymaster_trace_spans_total',
      help: 'Spans by result: exported, or dropped because the collector refused them or too many waited for it',
      labels: ['result'],
      values: () => [
        [{ result: 'exported' }, counts.exported],
        [{ result: 'dropped' }, counts.dropped],
      ],
    },
  ];
}
