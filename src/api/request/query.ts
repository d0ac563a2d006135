import { BrokerError } from '../../domain/errors.ts';

const LONGEST = 2_048;
const KEY = /^[A-Za-z]{1,32}$/;

/** Parameters of a query by name. */
export type Query = ReadonlyMap<string, string>;

export const NO_QUERY: Query = new Map();

/**
 * Reads a query strictly: `name=value` with percent-encoding, each name known and at most once. A `+` is refused, because readers disagree
 * whether it is a plus or a space.
 * @throws ERR_REQUEST_INVALID
 */
export function parseQuery(text: string, known: readonly string[]): Query {
  if (text.length > LONGEST) throw refused(`the query may have ${LONGEST} characters`);
  const parameters = new Map<string, string>();
  for (const part of text.split('&')) {
    const equals = part.indexOf('=');
    const name = part.slice(0, equals);
    if (equals === -1 || !KEY.test(name)) throw refused('the query is written name=value');
    if (!known.includes(name))
      throw refused('the query has a parameter that this operation does not know');
    if (parameters.has(name)) throw refused('the query names a parameter twice');
    parameters.set(name, decode(part.slice(equals + 1)));
  }
  return parameters;
}

function decode(text: string): string {
  if (text.includes('+')) throw refused('write %2B for a plus and %20 for a space');
  try {
    const value = decodeURIComponent(text);
    if (!value.includes('\0')) return value;
  } catch {
    // The check below refuses malformed escapes and bytes that are not UTF-8, as it refuses NUL.
  }
  throw refused('the query is not percent-encoded UTF-8');
}

function refused(detail: string): BrokerError {
  return new BrokerError('ERR_REQUEST_INVALID', detail, { reason: 'query' });
}
