import { STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { Socket } from 'node:net';
import type { Call } from '../../broker/access/call.ts';
import type { Recording } from '../../broker/state/dependencies.ts';
import { refuseRequest } from '../../broker/recording/refusals.ts';
import { encodeClient } from '../../domain/audit/audit-event.ts';
import { BrokerError, type ErrorCode } from '../../domain/errors.ts';
import { networkOf } from '../../domain/network/ip-address.ts';
import type { Face } from './request-deps.ts';
import type { ErrorAnswer } from '../answer/error-answer.ts';
import { RequestIds } from './request-ids.ts';
import { SourceAddress } from './source-address.ts';

/** Codes of connections that are gone: no client is left to answer, and there is no request to record. */
const GONE = new Set(['ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'HPE_INVALID_EOF_STATE']);
const HANDSHAKE_TIMEOUT = 'ERR_TLS_HANDSHAKE_TIMEOUT';
/** Time for which the answer may be sent. Ending our side does not close a connection whose client never ends its own side. */
const LINGER_MS = 5_000;

/** Answers bytes that Node's parser does not accept as a request. Each is recorded, or only counted if there are many. */
export class MalformedRequests {
  readonly #parts: Recording;
  readonly #ids: RequestIds;
  readonly #face: Face;

  constructor(parts: Recording, boot: string, face: Face) {
    this.#parts = parts;
    this.#face = face;
    this.#ids = new RequestIds(`${boot}m`);
  }

  /** Handles `clientError`. The connection is closed, because the bytes after the fault cannot be separated from this request's body. */
  readonly refuse = (fault: NodeJS.ErrnoException, socket: Duplex): void => {
    if (GONE.has(fault.code ?? '')) {
      socket.destroy();
      return;
    }
    const code =
      fault.code === 'HPE_HEADER_OVERFLOW' ? 'ERR_HEADERS_TOO_LARGE' : 'ERR_REQUEST_INVALID';
    this.#answer(socket, code, reasonOf(fault));
    // Bytes written before the handshake wait for its end, which never comes.
    if (fault.code === HANDSHAKE_TIMEOUT) socket.destroy();
  };

  /** Handles `connect`: the broker tunnels nothing. */
  readonly refuseConnect = (_request: unknown, socket: Duplex): void => {
    this.#answer(socket, 'ERR_METHOD', 'method');
  };

  #answer(socket: Duplex, code: ErrorCode, reason: string): void {
    const error = new BrokerError(code, undefined, { reason });
    const call = this.#call(socket);
    socket.once(
      'close',
      this.#parts.clock.after(LINGER_MS, () => socket.destroy()),
    );
    refuseRequest(this.#parts, { call, caller: undefined }, error)
      .catch((failure: unknown) => BrokerError.from(failure))
      .then((failure) => {
        if (!socket.writable) socket.destroy();
        else
          socket.end(
            rawResponse(this.#face.errorAnswer(failure ?? error, call.requestId), call.requestId),
          );
      })
      .catch(() => socket.destroy());
  }

  #call(socket: Duplex): Call {
    const peer = socket instanceof Socket ? socket.remoteAddress : undefined;
    const address = SourceAddress.ofPeer(peer);
    const requestId = this.#ids.next();
    const client = encodeClient({ address, face: this.#face.name }, this.#parts.digest);
    const network = networkOf(address);
    return {
      requestId,
      address,
      network,
      holder: network,
      client,
      refusedClient: client,
      context: () => ({ requestId, signal: AbortSignal.abort() }),
      spend: () => undefined,
    };
  }
}

function reasonOf({ code = '' }: NodeJS.ErrnoException): string {
  if (code.startsWith('HPE_')) return 'framing';
  return code.startsWith('ERR_SSL_') ? 'tls' : 'timeout';
}

function rawResponse({ status, headers, body }: ErrorAnswer, requestId: string): string {
  const lines = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`,
    ...pairs(headers).map(([name, value]) => `${name}: ${value}`),
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Cache-Control: no-store',
    'X-Content-Type-Options: nosniff',
    `X-Request-Id: ${requestId}`,
    'Connection: close',
  ];
  return `${lines.join('\r\n')}\r\n\r\n${body}`;
}

function pairs(flat: readonly string[]): readonly (readonly [string, string])[] {
  return flat.flatMap((name, index) =>
    index % 2 === 0 ? [[name, flat[index + 1] ?? ''] as const] : [],
  );
}
