import { connect, isIP, type Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { checkServerIdentity, connect as connectTls } from 'node:tls';
import { BrokerError } from '../../../domain/errors.ts';
import type { TlsIdentity } from '../../../net/https/tls-identity.ts';
import { PostgresMessages } from '../../../net/postgres/messages.ts';

/** SSLRequest (PostgreSQL, 54.7 "Message Formats"). */
const TLS_REQUEST = Buffer.from([0, 0, 0, 8, 4, 210, 22, 47]);
const TLS_ACCEPTED = 'S';
/** The most that one session may receive; the broker's sessions read a few rows of a catalogue. */
const MOST_BYTES = 2 ** 20;
/** The longest legitimate message is a row of a catalogue. */
const BOUNDS = { messageBytes: 2 ** 18, messages: 32_768, listens: false };

/**
 * Connection under the driver. It completes TLS before the first message, counts the bytes that the server sends, and checks each message before the
 * driver reads it. A message that the driver cannot read ends this connection instead of the process.
 */
export class PostgresWire extends Duplex {
  readonly #tls: TlsIdentity | undefined;
  #socket: Socket | undefined;
  #received = 0;
  readonly #messages = new PostgresMessages(BOUNDS);

  /** `tls` undefined: without encryption. */
  constructor(tls: TlsIdentity | undefined) {
    super();
    this.#tls = tls;
  }

  /** The driver calls it as on a socket. */
  connect(port: number, host: string): this {
    const socket = connect({ port, host, noDelay: true });
    this.#use(socket);
    socket.once('connect', () => {
      if (this.#tls === undefined) this.#open(socket);
      else this.#askForTls(socket, host, this.#tls);
    });
    return this;
  }

  /** Does nothing: the wire always sets it. */
  setNoDelay(): this {
    return this;
  }

  override on(event: string | symbol, listener: (...given: never[]) => void): this {
    const receive = listener as (...given: unknown[]) => void;
    return super.on(
      event,
      event === 'data' ? (...given) => this.#guarded(receive, given) : receive,
    );
  }

  override _read(): void {
    this.#socket?.resume();
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    this.#socket?.write(chunk, done);
  }

  override _final(done: () => void): void {
    this.#socket?.end(done);
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#socket?.destroy();
    done(error);
  }

  #askForTls(socket: Socket, host: string, identity: TlsIdentity): void {
    socket.write(TLS_REQUEST);
    socket.once('data', (answer: Buffer) => {
      // Bytes after the first were sent before the encryption began, possibly by an attacker (CVE-2021-23222).
      if (answer.toString('latin1') !== TLS_ACCEPTED) {
        this.destroy(new BrokerError('ERR_PROVIDER_UNAVAILABLE', undefined, { reason: 'tls' }));
        return;
      }
      const { serverName = host, ...files } = identity;
      const secure = connectTls({
        ...files,
        socket,
        host,
        minVersion: 'TLSv1.2',
        rejectUnauthorized: true,
        ...(isIP(serverName) === 0 && { servername: serverName }),
        checkServerIdentity: (_name, certificate) => checkServerIdentity(serverName, certificate),
      });
      this.#use(secure);
      secure.once('secureConnect', () => this.#open(secure));
    });
  }

  #use(socket: Socket): void {
    this.#socket = socket;
    socket.on('error', (error) => this.destroy(error));
    socket.once('close', () => {
      this.destroy(Object.assign(new Error('the server hung up'), { code: 'ECONNRESET' }));
    });
  }

  #open(socket: Socket): void {
    socket.on('data', (chunk: Buffer) => {
      this.#received += chunk.length;
      if (this.#received > MOST_BYTES) this.#refuse('too_large');
      else this.#pass(chunk, socket);
    });
    this.emit('connect');
  }

  #pass(chunk: Buffer, socket: Socket): void {
    if (this.destroyed) return;
    try {
      const messages = this.#messages.take(chunk);
      if (messages !== undefined && !this.push(messages)) socket.pause();
    } catch (error) {
      this.destroy(error as Error);
    }
  }

  #guarded(listener: (...given: unknown[]) => void, given: unknown[]): void {
    if (this.destroyed) return;
    try {
      listener(...given);
    } catch {
      this.#refuse('protocol');
    }
  }

  #refuse(reason: string): void {
    this.destroy(new BrokerError('ERR_PROVIDER_MALFORMED', undefined, { reason }));
  }
}
