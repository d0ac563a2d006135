import { once } from 'node:events';
import { isIP } from 'node:net';
import { hostname } from 'node:os';
import { checkServerIdentity, connect, type TLSSocket } from 'node:tls';
import { requireCertificate } from '../../net/https/tls-identity.ts';
import { socketFailure } from '../../net/socket-failure.ts';
import { WatchedFile } from '../../net/watched-file.ts';
import type { Clock } from '../../ports/clock.ts';
import { withDeadline } from '../../ports/deadline.ts';
import type { SinkConfig } from '../base/config.ts';
import type { LogFormat } from '../../domain/audit/formats/format-names.ts';
import { deliveryParts, formatted, SinkError, type Delivery, type Sink } from './sink.ts';
import { syslogFrame } from './syslog-message.ts';

type SyslogSinkConfig = Extract<SinkConfig, { type: 'syslog' }>;

const DEADLINE_MS = 30_000;
/** A TLS 1.3 server refuses a client, or its certificate, only after the handshake. Entries written before that would be lost. */
const SETTLE_MS = 1_000;
/** Bytes that a receiver may send over one connection. */
const MOST_RECEIVED_BYTES = 65_536;
const KEEP_ALIVE_MS = 30_000;
/** Entries that are written at once. */
const MOST_BYTES = 262_144;
/**
 * Syslog has no acknowledgement: a lost connection loses the entries in the send buffer of the kernel. This buffer does not grow while the receiver
 * is unreachable, and holds some hundred entries.
 */
const UNCONFIRMED = 1_024;

/** Sends entries as syslog messages over TLS (RFC 5424, RFC 5425); internals/spec/audit-sinks-v1.md. */
export class SyslogSink implements Sink {
  readonly name: string;
  readonly unconfirmed = UNCONFIRMED;
  readonly #config: SyslogSinkConfig;
  readonly #clock: Pick<Clock, 'after' | 'sleep'>;
  readonly #files: ReadonlyMap<string, WatchedFile>;
  #socket: TLSSocket | undefined;
  #isClosed = false;

  constructor(config: SyslogSinkConfig, clock: Pick<Clock, 'after' | 'sleep'>) {
    this.name = `syslog:${config.host}:${config.port}`;
    this.#config = config;
    this.#clock = clock;
    const { caFile, certFile, keyFile } = config;
    this.#files = new Map(
      Object.entries({ caFile, certFile, keyFile }).flatMap(([setting, path]) =>
        path === undefined ? [] : [[setting, new WatchedFile(path)]],
      ),
    );
  }

  async deliver(delivery: Delivery): Promise<void> {
    const socket = await this.#connected();
    try {
      for (const part of deliveryParts(delivery, MOST_BYTES))
        await this.#bounded((signal) =>
          write(socket, frames(this.#config.format ?? 'json', part), signal),
        );
    } catch (error) {
      this.#socket = undefined;
      socket.destroy();
      throw error;
    }
  }

  reopen(): Promise<void> {
    return Promise.resolve();
  }

  /** Sends `close_notify` after everything that was written. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const socket = this.#socket;
    if (socket === undefined || socket.destroyed) return;
    const closed = once(socket, 'close');
    socket.destroySoon();
    await closed;
  }

  async #connected(): Promise<TLSSocket> {
    const socket = (this.#socket ??= await this.#bounded((signal) => this.#connect(signal)));
    if (this.#isClosed) socket.destroy();
    return socket;
  }

  async #bounded<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    return withDeadline(this.#clock, DEADLINE_MS, async (signal) => {
      try {
        return await work(signal);
      } catch (error) {
        if (signal.aborted)
          throw new SinkError(`the receiver read nothing for ${DEADLINE_MS / 1_000} s`);
        throw error;
      }
    });
  }

  async #connect(signal: AbortSignal): Promise<TLSSocket> {
    const { host, port, serverName = host } = this.#config;
    const [ca, cert, key] = await Promise.all(
      ['caFile', 'certFile', 'keyFile'].map((setting) => this.#read(setting)),
    );
    const socket = connect({
      host,
      port,
      minVersion: 'TLSv1.2',
      rejectUnauthorized: true,
      ...(ca !== undefined && { ca: requireCertificate(ca) }),
      ...(cert !== undefined && { cert }),
      ...(key !== undefined && { key }),
      ...(isIP(serverName) === 0 && { servername: serverName }),
      checkServerIdentity: (_name, certificate) => checkServerIdentity(serverName, certificate),
    });
    // The next write notices the loss of the connection; without a listener, the error would end the process.
    socket.on('error', () => undefined);
    try {
      await once(socket, 'secureConnect', { signal });
      // A receiver sends nothing; only reading detects that it closes the connection.
      let received = 0;
      socket.on('data', ({ length }: Buffer) => {
        received += length;
        if (received > MOST_RECEIVED_BYTES) socket.destroy();
      });
      socket.setKeepAlive(true, KEEP_ALIVE_MS);
      await Promise.race([once(socket, 'close'), this.#clock.sleep(SETTLE_MS)]);
    } catch (error) {
      socket.destroy();
      const { message } = socketFailure(error);
      throw new SinkError(`the receiver could not be reached: ${message}`);
    }
    return socket;
  }

  async #read(setting: string): Promise<string | undefined> {
    try {
      return await this.#files.get(setting)?.text();
    } catch {
      throw new SinkError(`${setting} cannot be read`);
    }
  }
}

function frames(format: LogFormat, delivery: Delivery): Buffer {
  const { origin, first, entries } = delivery;
  const host = hostname();
  const texts = formatted(format, delivery);
  return Buffer.concat(
    entries.map((entry, at) =>
      syslogFrame({ origin, index: first + at, entry, text: texts[at] ?? entry, host }),
    ),
  );
}

/** Resolves when the kernel has the bytes and the connection is open. */
async function write(socket: TLSSocket, bytes: Buffer, signal: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<undefined>();
  const lost = (): void => reject(new SinkError('the connection to the receiver was lost'));
  const abort = (): void => void socket.destroy();
  signal.addEventListener('abort', abort, { once: true });
  socket.once('close', lost);
  if (socket.writable)
    socket.write(bytes, (error) => (error instanceof Error ? lost() : resolve(undefined)));
  else lost();
  await promise;
  socket.off('close', lost);
  signal.removeEventListener('abort', abort);
  if (!socket.writable) throw new SinkError('the connection to the receiver was lost');
}
