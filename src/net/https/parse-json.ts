import { BrokerError } from '../../domain/errors.ts';

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** @throws ERR_PROVIDER_MALFORMED; the text is in no message, because a parser's error quotes what it could not parse. */
export function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(decoder.decode(bytes)) as unknown;
  } catch {
    throw new BrokerError('ERR_PROVIDER_MALFORMED', undefined, { reason: 'not_json' });
  }
}
