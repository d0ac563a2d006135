import { BrokerError } from '../../../domain/errors.ts';

/** A name in backticks, which mean the same under every SQL mode. @throws ERR_BODY_INVALID for a NUL, which no name can hold. */
export function quoteIdentifier(name: string): string {
  return `\`${withoutNul(name).replaceAll('`', '``')}\``;
}

/**
 * Quotes text as `'…'` under NO_BACKSLASH_ESCAPES, which every session of the broker sets: a quote is doubled, and no
 * other character has a meaning.
 * @throws ERR_BODY_INVALID for a NUL.
 */
export function quoteLiteral(text: string): string {
  return `'${withoutNul(text).replaceAll("'", "''")}'`;
}

function withoutNul(text: string): string {
  if (text.includes('\0')) throw new BrokerError('ERR_BODY_INVALID', 'a text with a NUL in it');
  return text;
}
