import { BrokerError } from '../../domain/errors.ts';
import { readReport, type ReportFormat } from '../../domain/posture/reports/read-report.ts';
import type { Report } from '../../domain/posture/reports/report.ts';
import { exceededBound, type JsonBounds } from '../../domain/text/json-bounds.ts';
import { hasDuplicateNames } from '../../domain/text/duplicate-names.ts';
import { JsonText, Lines, type Position } from '../../domain/text/strict-json.ts';
import { MalformedJson } from '../../domain/text/json-node.ts';

export const MAX_REPORT_BYTES = 1_048_576;
/** Bounds of a report: no scanner nests deeper than about ten. */
const BOUNDS: JsonBounds = { depth: 32, values: 1_000_000, bare: MAX_REPORT_BYTES };

const EXCEEDED: Readonly<Record<keyof JsonBounds, string>> = {
  depth: `may nest ${BOUNDS.depth} deep`,
  values: `may have ${BOUNDS.values} values`,
  bare: `may have ${BOUNDS.bare} characters outside of its texts`,
};
/** The pointer to a fault has names of the report, of any length. */
const LONGEST_MESSAGE = 512;

export interface AskedReport {
  readonly text: string;
  /** Format of the report; undefined: found by the content. */
  readonly format?: ReportFormat | undefined;
  /** Digests of the image that the sender names. */
  readonly image: readonly string[];
  /** Limit of the text, by default that of a pushed report. */
  readonly maxBytes?: number;
}

/**
 * Reads the text of a report. The text of a scanner is not authenticated: names of packages come from the image itself.
 * @throws ERR_BODY_INVALID with the position of the fault in the text
 */
export function parseReport({
  text,
  format,
  image,
  maxBytes = MAX_REPORT_BYTES,
}: AskedReport): Report & {
  readonly format: ReportFormat;
} {
  const { value, source } = unwrapped(text, maxBytes);
  try {
    return readReport(value, { format, image });
  } catch (error) {
    if (!(error instanceof MalformedJson)) throw error;
    const place = new JsonText(source).locate(error.pointer);
    throw invalidReport(error.message.slice(0, LONGEST_MESSAGE), place);
  }
}

const IN_TOTO = 'application/vnd.in-toto+json';

/** The payload of a DSSE envelope, or the text itself. Its signature is not checked here: the sender is authenticated. */
function unwrapped(
  text: string,
  maxBytes: number,
): { readonly value: unknown; readonly source: string } {
  const value = parse(text, maxBytes);
  const { payloadType, payload } = (value ?? {}) as Readonly<Record<string, unknown>>;
  if (payloadType !== IN_TOTO || typeof payload !== 'string') return { value, source: text };
  const source = Buffer.from(payload, 'base64').toString();
  return { value: parse(source, maxBytes), source };
}

function parse(text: string, maxBytes: number): unknown {
  const bytes = Buffer.byteLength(text);
  if (bytes > maxBytes) throw invalidReport(`has ${bytes} bytes; the limit is ${maxBytes}`);
  const exceeded = exceededBound(text, BOUNDS);
  if (exceeded !== undefined) throw invalidReport(EXCEEDED[exceeded]);
  try {
    const value = JSON.parse(text) as unknown;
    if (!hasDuplicateNames(text, value)) return value;
  } catch (error) {
    const [, offset] = /at position (\d+)/.exec((error as Error).message) ?? [];
    const at = offset === undefined ? text.length : Number(offset);
    throw invalidReport('is not JSON', new Lines(text).positionAt(at));
  }
  throw invalidReport('names a member of an object twice');
}

/** The report is a text in the body: the position is the one in that text. */
export function invalidReport(message: string, place?: Position): BrokerError {
  const where = place === undefined ? '' : ` (line ${place.line}, column ${place.column})`;
  return new BrokerError('ERR_BODY_INVALID', 'the report is not valid', {
    reason: 'bad_report',
    problems: [{ pointer: '/report', message: `${message}${where}` }],
  });
}
