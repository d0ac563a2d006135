import type { IncomingMessage } from 'node:http';
import type { ShownProof } from '../broker/sessions/proof/shown-proof.ts';
import { isRepeated } from './check-request.ts';

const HEADER = 'dpop';

/** The proof of a request, with what it has to be about. `schemes` are those that clients may use to reach the listener. */
export function shownProof(request: IncomingMessage, schemes: readonly string[]): ShownProof {
  const { headers, rawHeaders, method = '', url = '' } = request;
  const text = headers[HEADER];
  const [path = ''] = url.split('?', 1);
  return {
    text: text === undefined ? undefined : String(text),
    isRepeated: isRepeated(rawHeaders, HEADER),
    method,
    schemes,
    host: headers.host ?? '',
    path,
  };
}
