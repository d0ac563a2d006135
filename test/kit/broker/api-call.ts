import type { Call } from '../../../src/broker/access/call.ts';
import { sha256Hex } from '../../../src/crypto/hashes/digest.ts';
import { randomId } from '../../../src/crypto/random/random.ts';
import { encodeClient } from '../../../src/domain/audit/audit-event.ts';

/** A new request, as the API would pass it on. */
export function newCall(
  address = '10.0.0.1',
  signal: AbortSignal = new AbortController().signal,
): Call {
  const requestId = randomId('req');
  const client = encodeClient({ address }, sha256Hex);
  return {
    requestId,
    address,
    network: address,
    holder: address,
    client,
    refusedClient: client,
    context: () => ({ requestId, signal }),
    spend: () => undefined,
  };
}
