import { readFile } from 'node:fs/promises';
import {
  Server,
  ServerCredentials,
  status,
  type handleUnaryCall as UnaryCall,
  type sendUnaryData,
  type ServerUnaryCall,
} from '@grpc/grpc-js';
import { boundedServer, closeServer, listenLocally } from '../../net/local-server.ts';
import { bindUnixSocket } from '../../net/unix-socket.ts';
import { BrokerClient } from '../../client/index.ts';
import { BrokerError } from '../../domain/errors.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Log } from '../../ports/log.ts';
import {
  driverService,
  type MountRequest,
  type MountResponse,
  type VersionRequest,
  type VersionResponse,
} from './driver-protocol.ts';
import { MountRefused } from './mount-refused.ts';
import { mountVolume } from './mount-volume.ts';
import { readMountSpec } from './mount-spec.ts';
import { PodSessions } from './pod-sessions.ts';
import type { Settings } from './settings.ts';

/** Limit of a mount, less than the kubelet waits. */
const MOUNT_MS = 30_000;
const TOO_LATE = `the broker did not answer within ${MOUNT_MS / 1000} s`;
const MOST_REQUEST_BYTES = 1024 * 1024;
const API_VERSION = 'v1alpha1';
/** Mode of the socket: the driver runs as root, and no other user may connect. */
const OWNER_ONLY = 0o600;

export interface ProviderDeps {
  readonly clock: Clock;
  readonly log: Log;
  /** Semantic version of this program. */
  readonly release: string;
}

/** Provider of the Secrets Store CSI driver on its socket, with `GET /healthz` beside it. */
export class Provider {
  readonly #settings: Settings;
  readonly #deps: ProviderDeps;
  readonly #client: BrokerClient;
  readonly #sessions: PodSessions;
  readonly #server = new Server({ 'grpc.max_receive_message_length': MOST_REQUEST_BYTES });
  readonly #health = boundedServer((request, response) => {
    const isHealth = request.method === 'GET' && request.url === '/healthz';
    response.writeHead(isHealth ? 200 : 404, { 'Content-Length': 0 }).end();
  });

  private constructor(settings: Settings, client: BrokerClient, deps: ProviderDeps) {
    this.#settings = settings;
    this.#deps = deps;
    this.#client = client;
    this.#sessions = new PodSessions(client, settings.cluster, deps.clock);
    const version: UnaryCall<VersionRequest, VersionResponse> = (_call, done) =>
      done(null, {
        version: API_VERSION,
        runtimeName: 'quaymaster',
        runtimeVersion: deps.release,
      });
    const mount: UnaryCall<MountRequest, MountResponse> = (call, done) => {
      void this.#answer(call, done);
    };
    this.#server.addService(driverService(), { Version: version, Mount: mount });
  }

  /** @throws ERR_CONFIG_INVALID if it cannot listen, or the broker's address is not valid */
  static async listen(settings: Settings, deps: ProviderDeps): Promise<Provider> {
    const { url, caFile } = settings.broker;
    const ca = caFile === undefined ? {} : { ca: await authority(caFile) };
    const client = new BrokerClient({ url, ...ca, userAgent: 'quaymaster-csi', clock: deps.clock });
    const provider = new Provider(settings, client, deps);
    try {
      await provider.#listen();
    } catch (error) {
      await provider.close();
      throw error;
    }
    return provider;
  }

  /** Answers the calls in flight first. */
  async close(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    this.#server.tryShutdown(() => resolve(undefined));
    if (this.#health.listening) await closeServer(this.#health);
    await promise;
    this.#client.close();
  }

  /** Health first: if its port is taken, the driver never finds a socket. */
  async #listen(): Promise<void> {
    const { socket, health } = this.#settings;
    await listenLocally(this.#health, health);
    await bindUnixSocket(socket, OWNER_ONLY, () => this.#bind(socket));
  }

  #bind(socket: string): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<undefined>();
    this.#server.bindAsync(`unix:${socket}`, ServerCredentials.createInsecure(), (cause) => {
      if (cause === null) resolve(undefined);
      else {
        const message = `cannot listen at ${socket}`;
        reject(new BrokerError('ERR_CONFIG_INVALID', message, { cause }));
      }
    });
    return promise;
  }

  async #answer(
    call: ServerUnaryCall<MountRequest, MountResponse>,
    done: sendUnaryData<MountResponse>,
  ): Promise<void> {
    const { log, clock } = this.#deps;
    const ended = new AbortController();
    const refuse = (code: status, why: string): void => ended.abort(new MountRefused(code, why));
    const cancel = clock.after(MOUNT_MS, () => refuse(status.DEADLINE_EXCEEDED, TOO_LATE));
    call.on('cancelled', () => refuse(status.CANCELLED, 'the driver cancelled the call'));
    let pod = '';
    try {
      const spec = await readMountSpec(call.request.attributes, this.#settings.audience);
      ({ pod } = spec);
      const response = await rejectOnAbort(
        ended.signal,
        mountVolume(spec, this.#sessions, ended.signal),
      );
      log.info({ pod, files: response.files.length }, 'mounted');
      done(null, response);
    } catch (error) {
      const refused = MountRefused.from(error);
      log.warn({ pod, code: refused.code, reason: refused.message }, 'not mounted');
      done({ code: refused.code, details: refused.message });
    } finally {
      cancel();
    }
  }
}

/** Rejects at once when `signal` aborts, even if the work waits for a callee with a longer timeout. @throws the reason of `signal` */
function rejectOnAbort<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
  return Promise.race([work, promise]);
}

async function authority(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    throw new BrokerError('ERR_CONFIG_INVALID', `${file} cannot be read`, { cause });
  }
}
