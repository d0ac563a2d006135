import { BrokerError } from '../../domain/errors.ts';

/** Quotes a name as SQL reads it: `"…"`. @throws ERR_BODY_INVALID for a NUL, which no name can hold. */
export function quoteIdentifier(name: string): string {
  return `"${withoutNul(name).replaceAll('"', '""')}"`;
}

/** Quotes text as `'…'`, the same under either setting of standard_conforming_strings. @throws ERR_BODY_INVALID for a NUL. */
export function quoteLiteral(text: string): string {
  const doubled = withoutNul(text).replaceAll("'", "''");
  return doubled.includes('\\') ? ` E'${doubled.replaceAll('\\', '\\\\')}'` : `'${doubled}'`;
}

function withoutNul(text: string): string {
  if (text.includes('\0')) throw new BrokerError('ERR_BODY_INVALID', 'a text with a NUL in it');
  return text;
}
