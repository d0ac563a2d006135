import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { RegisteredMetrics } from '../../../src/program/metrics/registered-metrics.ts';
import supertest from 'supertest';
import { readBrokerStatus } from '../../../src/program/serving/broker-status.ts';
import { createApp, OWN_FACE, surroundingsOf } from '../../../src/api/server/app.ts';
import type { ConsoleDeps } from '../../../src/api/console/console.ts';
import { schemesOf } from '../../../src/api/config.ts';
import { Drain } from '../../../src/api/request/drain.ts';
import { MalformedRequests } from '../../../src/api/request/malformed-requests.ts';
import { SourceAddress } from '../../../src/api/request/source-address.ts';
import { createServer, type ApiServer } from '../../../src/api/server/server.ts';
import { systemClock } from '../../../src/process/clock.ts';
import { openBroker, type RunningBroker } from '../../../src/program/broker/broker.ts';
import type { Option } from '../../../src/features/feature.ts';
import { routesOf } from '../../../src/features/options.ts';
import { configSchema, type Config } from '../../../src/program/config/schema.ts';
import { openVaultApi } from '../../../src/program/serving/vault-api.ts';
import { createLog } from '../../../src/process/log.ts';
import type { Clock } from '../../../src/ports/clock.ts';
import { contractFault } from './openapi-contract.ts';
import { initialiseIn, writePrepared } from './prepared-installation.ts';
import {
  boundClaims,
  ecKey,
  rawToken,
  signedToken,
  type SigningKey,
} from '../identity/token-factory.ts';

const ISSUER = 'https://issuer.test';
const AUDIENCE = 'quaymaster';

export interface PartsOptions {
  readonly clock?: Clock;
  readonly limits?: Record<string, unknown>;
  readonly listener?: Record<string, unknown>;
  readonly refusals?: Record<string, unknown>;
  /** Tests read the entry of each refusal, so by default none is counted into a summary. */
  readonly denials?: Record<string, unknown>;
  /** Settings of the audit log, besides its origin and files. */
  readonly audit?: Record<string, unknown>;
  /** Connections besides `keys`, which has the keys of `c1`. */
  readonly connections?: Record<string, unknown>;
  /** Sources of runtime alerts. */
  readonly alerts?: Record<string, unknown>;
  /** Clusters whose custom resources become documents. */
  readonly kubernetes?: Record<string, unknown>;
  /** Issuers of people. */
  readonly people?: Record<string, unknown>;
  /** The listener for clients of the Vault HTTP API; by default its port is chosen. */
  readonly vaultApi?: Record<string, unknown>;
  /** The console, with files that stand for the built ones. */
  readonly console?: ConsoleDeps;
  readonly failpoint?: (name: string) => void;
  /** Options of the broker; the default is all. */
  readonly options?: readonly Option[];
}

export interface CallOptions {
  readonly token?: string | undefined;
  /** An object is sent as JSON, a string unchanged. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Answer that the contract allows. */
export interface Answered {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
  // oxlint-disable-next-line typescript/no-explicit-any -- tests look into answers whose shape the contract has checked
  readonly body: any;
}

/** The fields of list items that several tests read. */
export interface ListedItem {
  readonly id: string;
  readonly name: string;
  readonly path: string;
  readonly state: string;
  readonly error?: { readonly code: string };
  readonly [field: string]: unknown;
}

export function itemsOf({ body }: Answered): readonly ListedItem[] {
  return (body as { readonly items: readonly ListedItem[] }).items;
}

type Method = 'get' | 'head' | 'post' | 'put' | 'delete' | 'patch' | 'options';
type Claims = Partial<Parameters<typeof boundClaims>[0]>;

interface Made {
  readonly broker: RunningBroker;
  readonly server: ApiServer;
  readonly vault: ApiServer | undefined;
  readonly vaultPort: number;
  readonly drain: Drain;
  readonly port: number;
  readonly admin: string;
  readonly directory: string;
  readonly key: SigningKey;
  readonly lines: readonly string[];
}

/** A whole broker on a separate store, with the API listening and all its output available. */
export class RunningApi {
  readonly broker: RunningBroker;
  readonly server: ApiServer;
  readonly vault: ApiServer | undefined;
  /** Port of the listener for clients of the Vault HTTP API; 0 without it. */
  readonly vaultPort: number;
  readonly port: number;
  readonly url: string;
  /** Token of an unscoped admin. */
  readonly admin: string;
  readonly directory: string;
  /** Lines of the process's log so far. */
  readonly logged: readonly string[];
  readonly drain: Drain;
  readonly #key: SigningKey;

  private constructor(made: Made) {
    this.broker = made.broker;
    this.server = made.server;
    this.vault = made.vault;
    this.vaultPort = made.vaultPort;
    this.port = made.port;
    this.url = `http://127.0.0.1:${made.port}`;
    this.admin = made.admin;
    this.directory = made.directory;
    this.logged = made.lines;
    this.drain = made.drain;
    this.#key = made.key;
  }

  static async start(options: PartsOptions = {}): Promise<RunningApi> {
    const directory = await mkdtemp(join(tmpdir(), 'qm-api-'));
    const key = ecKey('key-1');
    await writeFile(join(directory, 'jwks.json'), JSON.stringify({ keys: [key.jwk] }));
    const config = configOf(directory, options);
    const lines: string[] = [];
    const { clock = systemClock, failpoint } = options;
    const log = createLog({ level: 'info', clock, destination: collector(lines) });
    // The log of an installation has its origin, and times of its clock.
    const isUsual = options.clock === undefined && options.audit === undefined;
    const admin = isUsual
      ? await writePrepared(directory, (each) => configOf(each, {}))
      : await initialiseIn(directory, config, { clock, log });
    const broker = await openBroker(config, {
      clock,
      log,
      ...(failpoint && { failpoint }),
      ...(options.options && { options: options.options }),
    });
    const drain = new Drain();
    const sources = new SourceAddress(config.listener.trustedProxies);
    const apiDeps = {
      boot: 'test',
      limits: broker.limits,
      sources,
      schemes: schemesOf(config.listener),
      drain,
      unready: () => broker.unready(),
      held: () => broker.held(),
      warnings: () => broker.warnings(),
      status: () => readBrokerStatus(broker, []),
      metrics: new RegisteredMetrics({ clock, log }),
      servesMetrics: true,
      routes: routesOf(broker.options),
      console: options.console,
    };
    const surroundings = surroundingsOf(broker.parts, apiDeps);
    const app = createApp(broker.parts, apiDeps, surroundings);
    const malformed = new MalformedRequests(broker.parts, 'test', OWN_FACE);
    const server = await createServer(app, config.listener, {
      clock,
      log,
      drain,
      malformed,
      sources,
    });
    const { unready } = apiDeps;
    const vault =
      config.vaultApi &&
      (await openVaultApi(config.vaultApi, {
        clock,
        log,
        surroundings,
        boot: 'test',
        unready,
        connections: config.connections,
      }));
    const vaultPort = (await vault?.listen())?.port ?? 0;
    const { port } = await server.listen();
    return new RunningApi({
      broker,
      server,
      vault,
      vaultPort,
      drain,
      port,
      admin,
      directory,
      key,
      lines,
    });
  }

  /** Registers the cluster `c1` and an embedded mount at `app`, and grants `capabilities` below it to `prod/*`. */
  async seed(capabilities: readonly string[] = ['read', 'list', 'write']): Promise<void> {
    await this.put('clusters/c1', {
      connection: 'keys',
      issuer: ISSUER,
      audiences: [AUDIENCE],
      podWatch: false,
    });
    await this.put('mounts/app', { prefix: 'app', connection: 'embedded' });
    await this.put('policies/app', policy('app', ['app/**'], capabilities));
  }

  /** Creates a document as the admin. */
  async put(path: string, document: unknown): Promise<void> {
    const response = await this.call('PUT', `/api/v1/${path}`, {
      token: this.admin,
      body: document,
      headers: { 'If-None-Match': '*' },
    });
    if (response.status !== 201) throw new Error(`${path}: ${response.text}`);
  }

  /** Sends a request and checks the answer against openapi.yaml. */
  async call(method: string, path: string, options: CallOptions = {}): Promise<Answered> {
    const { token, body, headers = {} } = options;
    const request = supertest(this.url)[method.toLowerCase() as Method](path).redirects(0);
    if (token !== undefined) request.set('Authorization', `Bearer ${token}`);
    for (const [name, value] of Object.entries(headers)) request.set(name, value);
    const response = await (body === undefined ? request : request.send(body as object));
    // superagent omits the text for an unknown media type.
    const { text = '' } = response as { text?: string };
    const { status, headers: received, body: parsed } = response;
    const answered: Answered = { status, headers: received, text, body: parsed };
    checkAnswer(method, path, answered);
    return answered;
  }

  /** Signs a service-account token that the cluster `c1` accepts. */
  serviceAccountToken(claims: Claims = {}): string {
    const issuedAt = Math.floor(this.broker.parts.clock.now() / 1000);
    const payload = boundClaims({ issuer: ISSUER, audience: [AUDIENCE], issuedAt, ...claims });
    return signedToken(this.#key, payload);
  }

  /** A token with changed header and payload, signed with the cluster's own key. */
  oddToken(change: {
    readonly header?: Readonly<Record<string, unknown>> | string;
    readonly payload?: Readonly<Record<string, unknown>> | string;
    readonly signature?: Uint8Array;
  }): string {
    const issuedAt = Math.floor(this.broker.parts.clock.now() / 1000);
    const { alg, kid } = this.#key;
    const whole = boundClaims({ issuer: ISSUER, audience: [AUDIENCE], issuedAt });
    const changed = (
      part: Readonly<Record<string, unknown>> | string | undefined,
      base: object,
    ): Readonly<Record<string, unknown>> | string =>
      typeof part === 'string' ? part : { ...base, ...part };
    return rawToken({
      header: changed(change.header, { alg, kid }),
      payload: changed(change.payload, whole),
      key: this.#key,
      ...(change.signature !== undefined && { signature: change.signature }),
    });
  }

  /** Logs a workload in and returns its session token. */
  async logIn(claims: Claims = {}): Promise<string> {
    const body = { cluster: 'c1', token: this.serviceAccountToken(claims) };
    const response = await this.call('POST', '/api/v1/sessions', { body });
    if (response.status !== 201) throw new Error(`no session: ${response.text}`);
    return response.body.token as string;
  }

  /** A new operator with these grants. @returns its token. */
  async operator(name: string, grants: readonly object[]): Promise<string> {
    await this.put(`operators/${name}`, { grants });
    const response = await this.call('POST', `/api/v1/operators/${name}/tokens`, {
      token: this.admin,
      body: { ttl: '1h' },
    });
    if (response.status !== 201) throw new Error(`no token: ${response.text}`);
    return response.body.token as string;
  }

  async stop(): Promise<void> {
    this.broker.parts.events.close();
    this.broker.parts.changes.close();
    await Promise.all([this.server.drain(2_000), this.vault?.drain(2_000)]);
    await this.broker.close('test_over');
    await rm(this.directory, { recursive: true, force: true });
  }
}

/** A policy for the workloads of the namespace `prod` in the cluster `c1` below some patterns. */
export function policy(
  name: string,
  paths: readonly string[],
  capabilities: readonly string[],
): object {
  return {
    apiVersion: 'quaymaster.dev/v1',
    kind: 'AccessPolicy',
    metadata: { name },
    spec: {
      subjects: [{ clusters: ['c1'], namespaces: ['prod'], serviceAccounts: ['*'] }],
      rules: [{ name: 'rule-1', effect: 'allow', paths, capabilities }],
    },
  };
}

function checkAnswer(method: string, path: string, answered: Answered): void {
  if (method === 'HEAD') return;
  const { status, headers, text, body } = answered;
  const type = headers['content-type'];
  const fault = contractFault(method, path, { status, type, body: text === '' ? '' : body });
  if (fault !== undefined) throw new Error(`${method} ${path} breaks openapi.yaml: ${fault}`);
}

function configOf(directory: string, options: PartsOptions): Config {
  return configSchema.parse({
    mode: 'development',
    listener: { port: 0, ...options.listener },
    store: { type: 'sqlite', path: join(directory, 'store', 'broker.db') },
    kek: { type: 'local-file', path: join(directory, 'keys', 'kek') },
    audit: {
      origin: 'quaymaster.test/api',
      logKeyFile: join(directory, 'keys', 'log.pem'),
      checkpointFile: join(directory, 'keys', 'checkpoint'),
      refusals: options.refusals,
      denials: options.denials ?? { entriesPerWindow: 1_000 },
      ...options.audit,
    },
    connections: {
      keys: { type: 'jwks', file: join(directory, 'jwks.json') },
      ...options.connections,
    },
    limits: options.limits,
    people: options.people,
    ...(options.vaultApi && {
      vaultApi: {
        ...options.vaultApi,
        listener: { port: 0, ...(options.vaultApi['listener'] as object) },
      },
    }),
    alerts: options.alerts,
    kubernetes: options.kubernetes,
  });
}

function collector(lines: string[]): Writable {
  return new Writable({
    write(chunk: Buffer, _encoding, done) {
      lines.push(chunk.toString());
      done();
    },
  });
}
