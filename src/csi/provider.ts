import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import {
  Server,
  ServerCredentials,
  type handleUnaryCall as UnaryCall,
  type sendUnaryData,
  type ServerUnaryCall,
} from '@grpc/grpc-js';
import { BrokerClient } from '../client/index.ts';
import { BrokerError } from '../domain/errors.ts';
import type { Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';
import {
  driverService,
  type MountRequest,
  type MountResponse,
  type VersionRequest,
  type VersionResponse,
} from './driver-protocol.ts';
import { MountRefused } from './mount-refused.ts';
import { mountVolume } from './mount-volume.ts';
import { readWish } from './mount-wish.ts';
import { PodSessions } from './pod-sessions.ts';
import { clearSocket, closeToOthers } from './provider-socket.ts';
import type { Settings } from './settings.ts';

/** Less than the kubelet waits. */
const MOUNT_MS = 30_000;
const MOST_REQUEST_BYTES = 1024 * 1024;
const API_VERSION = 'v1alpha1';

export interface ProviderDeps {
  readonly clock: Clock;
  readonly log: Log;
  /** Ours, as semantic versioning has it. */
  readonly release: string;
}

/** A provider of the Secrets Store CSI driver on its socket, with `GET /healthz` beside it. */
export class Provider {
  readonly #settings: Settings;
  readonly #deps: ProviderDeps;
  readonly #client: BrokerClient;
  readonly #sessions: PodSessions;
  readonly #server = new Server({ 'grpc.max_receive_message_length': MOST_REQUEST_BYTES });
  readonly #health = createServer((request, response) => {
    const isAsked = request.method === 'GET' && request.url === '/healthz';
    response.writeHead(isAsked ? 200 : 404, { 'Content-Length': 0 }).end();
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

  /** @throws ERR_CONFIG_INVALID where it cannot listen, or the broker's address cannot be used */
  static async listen(settings: Settings, deps: ProviderDeps): Promise<Provider> {
    const { url, caFile } = settings.broker;
    const ca = caFile === undefined ? {} : { ca: await authority(caFile) };
    const client = new BrokerClient({ url, ...ca, userAgent: 'quaymaster-csi', clock: deps.clock });
    const provider = new Provider(settings, client, deps);
    await provider.#listen();
    return provider;
  }

  /** Answers what is under way. */
  async close(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    this.#server.tryShutdown(() => resolve(undefined));
    this.#health.close();
    this.#health.closeAllConnections();
    await promise;
    this.#client.close();
  }

  async #listen(): Promise<void> {
    const { socket, health } = this.#settings;
    await clearSocket(socket);
    const bound = Promise.withResolvers<undefined>();
    this.#server.bindAsync(`unix:${socket}`, ServerCredentials.createInsecure(), (cause) => {
      if (cause === null) bound.resolve(undefined);
      else
        bound.reject(
          new BrokerError('ERR_CONFIG_INVALID', `cannot listen at ${socket}`, { cause }),
        );
    });
    await bound.promise;
    await closeToOthers(socket);
    const heard = Promise.withResolvers<undefined>();
    this.#health.once('error', (cause) =>
      heard.reject(
        new BrokerError('ERR_CONFIG_INVALID', `cannot listen at ${health.host}:${health.port}`, {
          cause,
        }),
      ),
    );
    this.#health.listen(health.port, health.host, () => heard.resolve(undefined));
    await heard.promise;
  }

  async #answer(
    call: ServerUnaryCall<MountRequest, MountResponse>,
    done: sendUnaryData<MountResponse>,
  ): Promise<void> {
    const { log } = this.#deps;
    const gone = new AbortController();
    call.on('cancelled', () => gone.abort());
    const signal = AbortSignal.any([gone.signal, AbortSignal.timeout(MOUNT_MS)]);
    let pod = '';
    try {
      const wish = await readWish(call.request.attributes, this.#settings.audience);
      ({ pod } = wish);
      const response = await mountVolume(wish, this.#sessions, signal);
      log.info({ pod, files: response.files.length }, 'mounted');
      done(null, response);
    } catch (error) {
      const refused = MountRefused.from(error);
      log.warn({ pod, code: refused.code, reason: refused.message }, 'not mounted');
      done({ code: refused.code, details: refused.message });
    }
  }
}

async function authority(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    throw new BrokerError('ERR_CONFIG_INVALID', `${file} cannot be read`, { cause });
  }
}
