import { BrokerError } from '../../domain/errors.ts';

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** @throws ERR_PROVIDER_MALFORMED without the parser's message, because it quotes the text. */
export function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(decoder.decode(bytes)) as unknown;
  } catch {
    throw new BrokerError('ERR_PROVIDER_MALFORMED', undefined, { reason: 'not_json' });
  }
}
