import { BrokerError } from '../../../domain/errors.ts';

type Revive = (this: unknown, key: string, value: unknown, context: { source?: string }) => unknown;

const decoder = new TextDecoder('utf-8', { fatal: true });

/** A number that JavaScript cannot hold exactly stays as its text: a secret must not change on its way. */
const keepExact: Revive = (_key, value, context) =>
  typeof value === 'number' && String(value) !== context.source ? context.source : value;

/** @throws ERR_PROVIDER_MALFORMED when the bytes are not JSON in UTF-8, or nested too deep to be read. */
export function decodeJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(decoder.decode(bytes), keepExact as Parameters<typeof JSON.parse>[1]);
  } catch {
    // The parser's own error quotes what it could not read.
    throw new BrokerError('ERR_PROVIDER_MALFORMED', undefined, { reason: 'not_json' });
  }
}
