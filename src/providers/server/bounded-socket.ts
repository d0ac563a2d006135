import { connect, type Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { BrokerError } from '../../domain/errors.ts';

/** The most that one connection may receive; the broker reads a few rows. */
const MOST_BYTES = 2 ** 20;

/** A socket for a driver that does TLS itself. It counts all received bytes, so that no answer can fill the memory. */
export class BoundedSocket extends Duplex {
  readonly #socket: Socket;
  #received = 0;

  constructor(host: string, port: number) {
    super();
    this.#socket = connect({ host, port, noDelay: true });
    this.#socket.once('connect', () => this.emit('connect'));
    this.#socket.on('data', (chunk: Buffer) => this.#take(chunk));
    this.#socket.on('error', (error) => this.destroy(error));
    this.#socket.once('close', () => {
      this.destroy(Object.assign(new Error('the server hung up'), { code: 'ECONNRESET' }));
    });
  }

  override _read(): void {
    this.#socket.resume();
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    this.#socket.write(chunk, done);
  }

  override _final(done: () => void): void {
    this.#socket.end(done);
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    // Bytes written before, such as a quit message, are still sent.
    if (error === null) this.#socket.destroySoon();
    else this.#socket.destroy();
    done(error);
  }

  #take(chunk: Buffer): void {
    this.#received += chunk.length;
    if (this.#received > MOST_BYTES) {
      this.destroy(new BrokerError('ERR_PROVIDER_MALFORMED', undefined, { reason: 'too_large' }));
    } else if (!this.push(chunk)) this.#socket.pause();
  }
}
