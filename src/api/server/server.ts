import {
  createServer as createHttpServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
} from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { BrokerError } from '../../domain/errors.ts';
import {
  HANDSHAKE_MS,
  HTTP_BOUNDS,
  NO_TICKETS,
  STALLED_MS,
  TLS_BOUNDS,
} from '../../net/listener/bounds.ts';
import { ConnectionLimits } from '../../net/listener/connection-limits.ts';
import { listenAt } from '../../net/listener/listen-at.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Log } from '../../ports/log.ts';
import { MOST_HEADERS } from '../request/check-request.ts';
import type { ListenerConfig } from '../config.ts';
import type { Drain } from '../request/drain.ts';
import type { SourceAddress } from '../request/source-address.ts';
import { readTlsFiles, type TlsMaterial } from './tls-files.ts';

const RELOAD_MS = 60_000;
/** Time for the headers of a request that began before the drain. */
const HEAD_MS = 5_000;
const LENIENT_FLAG = '--insecure-http-parser';

export interface ServerDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly drain: Drain;
  /** Handlers of `clientError` and `connect`. */
  readonly malformed: {
    readonly refuse: (fault: NodeJS.ErrnoException, socket: Duplex) => void;
    readonly refuseConnect: (request: unknown, socket: Duplex) => void;
  };
  readonly sources: SourceAddress;
  /** Timeout of a TLS handshake in milliseconds, 10 s by default. */
  readonly handshakeMs?: number;
}

/**
 * Creates the configured listener for the app; it does not listen yet.
 * @throws ERR_CONFIG_INVALID for unusable certificate files, or a process that parses HTTP leniently.
 */
export async function createServer(
  app: RequestListener,
  config: ListenerConfig,
  deps: ServerDeps,
): Promise<ApiServer> {
  if (process.execArgv.includes(LENIENT_FLAG)) {
    throw new BrokerError('ERR_CONFIG_INVALID', `the broker does not start with ${LENIENT_FLAG}`);
  }
  const material = config.tls === undefined ? undefined : await readTlsFiles(config.tls);
  return new ApiServer(app, config, { ...deps, material });
}

interface WithMaterial {
  readonly material: TlsMaterial | undefined;
}

/** Listens, and stops listening without cutting off requests. */
export class ApiServer {
  readonly connections: ConnectionLimits;
  readonly #server: Server;
  #config: ListenerConfig;
  readonly #deps: ServerDeps;
  /** Connections on which no request has begun yet. Node counts them as busy, and no longer times out slow ones once it closes. */
  readonly #silent = new Set<Socket>();
  #cancelReload: (() => void) | undefined;
  #certificate: Buffer | undefined;
  #hasTlsFailed = false;

  constructor(app: RequestListener, config: ListenerConfig, deps: ServerDeps & WithMaterial) {
    this.#config = config;
    this.#deps = deps;
    this.#server = build(app, config.tls?.clientAuth, deps);
    this.#certificate = deps.material?.cert;
    this.connections = new ConnectionLimits(config, (address) => deps.sources.isTrusted(address));
    this.connections.guard(this.#server, ['request', 'checkContinue', 'checkExpectation']);
    this.#server.maxHeadersCount = MOST_HEADERS + 50;
    this.#server.timeout = STALLED_MS;
    this.#server.on('clientError', deps.malformed.refuse);
    this.#server.on('connect', deps.malformed.refuseConnect);
    this.#server.on('checkExpectation', app);
    // The broker sends `100 Continue` when it reads the body, so a caller that is denied before sends none.
    this.#server.on('checkContinue', app);
    const opened = config.tls === undefined ? 'connection' : 'secureConnection';
    this.#server.on(opened, (socket: Socket) => {
      this.#silent.add(socket);
      socket.once('close', () => this.#silent.delete(socket));
    });
    for (const event of ['request', 'checkContinue', 'checkExpectation'] as const) {
      this.#server.prependListener(event, ({ socket }: IncomingMessage) => {
        this.#silent.delete(socket);
      });
    }
  }

  /** @returns the listening address. @throws ERR_CONFIG_INVALID if it cannot listen. */
  async listen(): Promise<AddressInfo> {
    const address = await listenAt(this.#server, this.#config);
    this.#scheduleReload();
    return address;
  }

  /**
   * Stops accepting connections, answers the requests in flight and closes each connection after its answer. Cuts clients that send no
   * request within five seconds, and requests that are not finished after `timeoutMs`.
   * @returns whether no connection was cut.
   */
  async drain(timeoutMs: number): Promise<boolean> {
    this.#deps.drain.begin();
    this.#cancelReload?.();
    let isClean = true;
    const cancel = this.#deps.clock.after(timeoutMs, () => {
      isClean = false;
      this.connections.destroyAll();
    });
    const { promise, resolve } = Promise.withResolvers<undefined>();
    this.#server.close(() => resolve(undefined));
    this.#server.closeIdleConnections();
    const cancelSilent = this.#deps.clock.after(HEAD_MS, () => {
      for (const socket of this.#silent) socket.destroy();
    });
    await promise;
    cancel();
    cancelSilent();
    return isClean;
  }

  /** The certificate chain of new connections, in PEM; undefined without TLS. */
  get certificate(): string | undefined {
    return this.#certificate?.toString();
  }

  /** The certificate files could not be used when they were last read: an earlier certificate is in use. */
  get hasTlsFailed(): boolean {
    return this.#hasTlsFailed;
  }

  /** Bounds, proxies and certificate for new connections; open connections stay. @throws ERR_CONFIG_INVALID for unusable certificate files */
  async prepare(next: ListenerConfig): Promise<{ apply(): void; discard(): void }> {
    const material = next.tls === undefined ? undefined : await readTlsFiles(next.tls);
    return {
      discard: () => undefined,
      apply: () => {
        this.#config = next;
        this.#deps.sources.trust(next.trustedProxies);
        this.connections.limit(next);
        if (material !== undefined) this.#use(material);
      },
    };
  }

  /** Reads certificate and key again. If they are unusable, it logs that and keeps the old ones. */
  async reloadTls(): Promise<void> {
    const { tls } = this.#config;
    if (tls === undefined) return;
    try {
      const material = await readTlsFiles(tls);
      // A reload of the configuration may have named other files meanwhile.
      if (this.#config.tls === tls) this.#use(material);
    } catch (error) {
      this.#hasTlsFailed = true;
      this.#deps.log.error(
        { err: error },
        'the certificate could not be read again; the old one stays',
      );
    }
  }

  /** The certificate of new connections. */
  #use(material: TlsMaterial): void {
    if (!('setSecureContext' in this.#server)) return;
    (this.#server as ReturnType<typeof createHttpsServer>).setSecureContext({
      ...TLS_BOUNDS,
      ...material,
      ...clientOptions(this.#config.tls?.clientAuth),
    });
    this.#certificate = material.cert;
    this.#hasTlsFailed = false;
  }

  #scheduleReload(): void {
    if (this.#config.tls === undefined) return;
    this.#cancelReload = this.#deps.clock.after(RELOAD_MS, () => {
      void this.reloadTls().finally(() => this.#scheduleReload());
    });
  }
}

type ClientAuth = NonNullable<ListenerConfig['tls']>['clientAuth'];

/**
 * Disables session tickets: a resumed TLS session would keep an identity whose authority was removed meanwhile, and its client
 * proves no key. Other listeners keep resumption, which saves their clients a signature.
 */
function clientOptions(clientAuth: ClientAuth): {
  readonly requestCert?: boolean;
  readonly rejectUnauthorized?: boolean;
  readonly secureOptions?: number;
} {
  if (clientAuth === undefined) return {};
  return {
    requestCert: true,
    rejectUnauthorized: clientAuth === 'required',
    secureOptions: NO_TICKETS,
  };
}

function build(
  app: RequestListener,
  clientAuth: ClientAuth,
  { material, handshakeMs = HANDSHAKE_MS }: Pick<ServerDeps, 'handshakeMs'> & WithMaterial,
): Server {
  return material === undefined
    ? createHttpServer(HTTP_BOUNDS, app)
    : createHttpsServer(
        {
          ...HTTP_BOUNDS,
          ...TLS_BOUNDS,
          ...material,
          ...clientOptions(clientAuth),
          handshakeTimeout: handshakeMs,
        },
        app,
      );
}
