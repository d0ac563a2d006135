import { connect, type Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { BrokerError } from '../../domain/errors.ts';

/** What one connection may receive: ours ask for a few rows. */
const MOST_BYTES = 2 ** 20;

/** A socket for a driver that does TLS itself: what comes in is counted, whoever reads it, so that no answer fills the memory. */
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
    // What was written before, a farewell, still goes out.
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
