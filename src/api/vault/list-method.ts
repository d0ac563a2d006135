import type { Server } from 'node:http';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { TLSSocket } from 'node:tls';

const LIST = Buffer.from('LIST ');
/** A method of the same length that Node's parser knows. */
const LINK = Buffer.from('LINK ');

/** An error of Node's HTTP parser. */
interface ParserFault extends NodeJS.ErrnoException {
  readonly rawPacket?: Buffer;
}

/** Node names the server of a connection. */
interface OfServer {
  readonly server?: Server;
}

/** The handlers of bytes that Node does not read as a request. */
interface Refusing {
  readonly refuse: (fault: NodeJS.ErrnoException, socket: Duplex) => void;
  readonly refuseConnect: (request: unknown, socket: Duplex) => void;
}

/**
 * Connections whose request with the method LIST is parsed as LINK. Node's parser refuses LIST, which several clients of the Vault HTTP API send. Such a
 * connection serves this one request, so no second request can be read with a wrong method.
 */
export class ListConnections {
  readonly #sockets = new WeakMap<Duplex, 'parsed' | 'asked'>();

  /**
   * Parses the packet again with LINK in place of LIST. Only a packet that begins with the method is: what came before it on the connection is a
   * request, or a part of one, whose end is not known.
   * @returns false if the fault is another one
   */
  #parseAgain(fault: ParserFault, socket: Duplex & OfServer): boolean {
    const { server } = socket;
    const { code, rawPacket } = fault;
    if (code !== 'HPE_INVALID_METHOD' || rawPacket === undefined || server === undefined)
      return false;
    if (!(socket instanceof Socket) || this.#sockets.has(socket) || isAnswering(socket))
      return false;
    if (!rawPacket.subarray(0, LIST.length).equals(LIST)) return false;
    this.#sockets.set(socket, 'parsed');
    const packet = Buffer.concat([LINK, rawPacket.subarray(LIST.length)]);
    detach(socket);
    server.emit(socket instanceof TLSSocket ? 'secureConnection' : 'connection', socket);
    socket.unshift(packet);
    return true;
  }

  /** Handlers of a server that parses a LIST again, and refuses all other faults of the parser. */
  orRefuse({ refuse, refuseConnect }: Refusing): Refusing {
    return {
      refuse: (fault, socket) => {
        if (!this.#parseAgain(fault, socket)) refuse(fault, socket);
      },
      refuseConnect,
    };
  }

  /** Reports whether a request that was parsed as LINK is a LIST; true once for each connection. */
  take(socket: Duplex): boolean {
    if (this.#sockets.get(socket) !== 'parsed') return false;
    this.#sockets.set(socket, 'asked');
    return true;
  }

  /** Reports whether the connection has served its only request. */
  isUsed(socket: Duplex): boolean {
    return this.#sockets.get(socket) === 'asked';
  }
}

/** Reports whether an earlier request of the connection waits for its answer. Node keeps its response on the socket. */
function isAnswering(socket: Socket & { readonly _httpMessage?: object | null }): boolean {
  return socket._httpMessage !== undefined && socket._httpMessage !== null;
}

/** The parts of Node's parser that free it. */
interface Parsing {
  parser?: { remove(): void; close(): void };
}

/** Takes the connection away from the parser that failed. A listener of `data` makes Node stop passing bytes to that parser. */
function detach(socket: Socket): void {
  socket.on('data', () => undefined);
  const { parser } = socket as Parsing;
  // Otherwise Node would still count the parser as a request whose head does not arrive. It is in use until this call returns.
  parser?.remove();
  setImmediate(() => parser?.close());
  for (const event of ['data', 'end', 'drain', 'timeout', 'error', 'pause', 'resume']) {
    socket.removeAllListeners(event);
  }
}
