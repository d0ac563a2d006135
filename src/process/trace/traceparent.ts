/** Position of the caller in its trace. */
export interface RemoteParent {
  readonly traceId: string;
  readonly spanId: string;
  readonly isSampled: boolean;
}

const SAMPLED = 1;
/** A later version may have more fields; version ff is invalid (W3C Trace Context section 3.2.2). */
const TRACEPARENT =
  /^(?!ff)[\da-f]{2}-(?!0{32})([\da-f]{32})-(?!0{16})([\da-f]{16})-([\da-f]{2})(?:-.*)?$/;
const VERSION_00_LENGTH = 55;
const MOST_CHARACTERS = 256;

/** Parses a header; undefined if it is absent or malformed: the request then begins its own trace. */
export function parseTraceparent(header: string | undefined): RemoteParent | undefined {
  if (header === undefined || header.length > MOST_CHARACTERS) return undefined;
  if (header.startsWith('00') && header.length !== VERSION_00_LENGTH) return undefined;
  const [, traceId, spanId, flags] = TRACEPARENT.exec(header) ?? [];
  if (traceId === undefined || spanId === undefined || flags === undefined) return undefined;
  return { traceId, spanId, isSampled: (Number.parseInt(flags, 16) & SAMPLED) === SAMPLED };
}

/** The header for a call that belongs to a sampled span. */
export function formatTraceparent(traceId: string, spanId: string): string {
  return `00-${traceId}-${spanId}-01`;
}
