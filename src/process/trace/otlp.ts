/** Kinds of spans, as OTLP numbers them. */
export const KIND = { internal: 1, server: 2, client: 3 } as const;

export type Attributes = Readonly<Record<string, string | number>>;

/** A finished span. */
export interface Span {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentId: string | undefined;
  /** True if the parent is a span of the client. */
  readonly isParentRemote: boolean;
  readonly name: string;
  readonly kind: (typeof KIND)[keyof typeof KIND];
  /** Milliseconds since the epoch, with fractions. */
  readonly startedAt: number;
  readonly endedAt: number;
  readonly attributes: Attributes;
  readonly hasFailed: boolean;
}

const STATUS_ERROR = 2;
/** W3C `sampled`, and OTLP's bits for "it is known whether the parent is remote" and "the parent is remote". */
const FLAGS_LOCAL = 0x1_01;
const FLAGS_REMOTE = 0x3_01;
const NANOS_A_MS = 1_000_000;

/** The body of an export: OTLP over HTTP as JSON (ExportTraceServiceRequest, OTLP 1.x). */
export function exportBody(spans: readonly Span[], release: string): string {
  const resource = { 'service.name': 'quaymaster', 'service.version': release };
  return JSON.stringify({
    resourceSpans: [
      {
        resource: { attributes: attributesOf(resource) },
        scopeSpans: [
          { scope: { name: 'quaymaster', version: release }, spans: spans.map(spanJson) },
        ],
      },
    ],
  });
}

function spanJson(span: Span): unknown {
  return {
    traceId: span.traceId,
    spanId: span.spanId,
    ...(span.parentId !== undefined && { parentSpanId: span.parentId }),
    name: span.name,
    kind: span.kind,
    startTimeUnixNano: nanoseconds(span.startedAt),
    endTimeUnixNano: nanoseconds(span.endedAt),
    attributes: attributesOf(span.attributes),
    status: { code: span.hasFailed ? STATUS_ERROR : 0 },
    flags: span.isParentRemote ? FLAGS_REMOTE : FLAGS_LOCAL,
  };
}

function attributesOf(attributes: Attributes): readonly unknown[] {
  return Object.entries(attributes).map(([key, value]) => ({
    key,
    value: typeof value === 'number' ? { intValue: value } : { stringValue: value },
  }));
}

/** Converts to text, because the number is larger than a double can hold exactly. */
function nanoseconds(ms: number): string {
  const whole = Math.floor(ms);
  const rest = Math.floor((ms - whole) * NANOS_A_MS);
  return `${whole}${String(rest).padStart(6, '0')}`;
}
