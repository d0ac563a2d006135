import { copyFile, mkdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { SecretData } from '../../../src/domain/secrets/secret.ts';
import { boundClaims, ecKey, signedToken, type SigningKey } from '../identity/token-factory.ts';
import { eventually } from '../time/eventually.ts';
import type { FailpointAction } from './failpoints.ts';
import { Installation, type Answer } from './installation.ts';
import type { Host } from '../network/network-namespaces.ts';
import { PATIENT } from '../providers/longest-timeout.ts';

/** Starts `failpoint-main.ts` from `dist`: from the source, a start takes twice the processor time. */
const FAILPOINT_MAIN = fileURLToPath(new URL('failpoints.cjs', import.meta.url));
const ISSUER = 'https://issuer.test';
const AUDIENCE = 'quaymaster';
const TOKEN_SECONDS = 3_600;

/** Pod of the namespace `prod`. */
interface Pod {
  readonly serviceAccount?: string;
  readonly pod?: string;
  /** The token's issue time in milliseconds, for a broker whose clock is ahead. */
  readonly at?: number;
}

/** Clock that has run `speed` times as fast since `epoch`, in milliseconds. */
export interface Clock {
  readonly epoch: number;
  readonly speed: number;
}

/** The parts of one broker besides the store, the cluster `c1` and the mount `own`. */
export interface BrokerSetup {
  /** Environment variables of its processes. */
  readonly environment?: Readonly<Record<string, string>>;
  /** The host of a network that it runs on. */
  readonly host?: Host;
  /** Files of mode 0600 in its directory. */
  readonly files?: Readonly<Record<string, string>>;
  /** Additional configuration; `directory` is the broker's own. */
  readonly config?: (directory: string) => Readonly<Record<string, unknown>>;
  /** Documents in creation order, by their API paths. */
  readonly documents?: Readonly<Record<string, object>>;
  /** Secrets by path. */
  readonly secrets?: Readonly<Record<string, SecretData>>;
  /** Starts it as a program with failpoints, and with this clock if it is one. */
  readonly failpoints?: true | Clock;
}

/** The built broker as a process, with a cluster whose tokens the test signs: `prod/*` may read and write everything. */
export class PreparedBroker {
  readonly installation: Installation;
  operator = '';
  readonly #key: SigningKey;
  #config: Readonly<Record<string, unknown>> = {};

  private constructor(installation: Installation, key = ecKey('key-1')) {
    this.installation = installation;
    this.#key = key;
  }

  static async start(furniture: BrokerSetup = {}): Promise<PreparedBroker> {
    const installation = await Installation.make(furniture.environment, furniture.host);
    const prepared = new PreparedBroker(installation);
    await prepared.#seed(furniture);
    return prepared;
  }

  async #seed({
    files = {},
    config = () => ({}),
    documents = {},
    secrets = {},
    failpoints,
  }: BrokerSetup): Promise<void> {
    const { installation } = this;
    const keys = await installation.write('jwks.json', JSON.stringify({ keys: [this.#key.jwk] }));
    for (const [name, text] of Object.entries(files)) await installation.write(name, text);
    const { connections, ...more } = config(installation.directory);
    this.#config = {
      ...more,
      connections: { keys: { type: 'jwks', file: keys }, ...(connections as object | undefined) },
    };
    await installation.configure(this.#config);
    this.operator = await installation.initialise();
    if (failpoints === undefined) await installation.start();
    else await this.startWithFailpoints(failpoints === true ? undefined : failpoints);
    await this.create('/clusters/c1', {
      connection: 'keys',
      issuer: ISSUER,
      audiences: [AUDIENCE],
      podWatch: false,
    });
    await this.create('/mounts/own', { prefix: 'own', connection: 'embedded' });
    for (const [path, document] of Object.entries(documents)) await this.create(path, document);
    await this.create('/policies/all', POLICY);
    for (const [path, data] of Object.entries(secrets)) await this.write(path, data);
  }

  /**
   * Prepares another broker, not started yet, on the same database and with the same keys. It has its own checkpoint file, which
   * an existing log requires, and its own sink.
   */
  async replica(host?: Host): Promise<PreparedBroker> {
    const { installation } = this;
    const replica = new PreparedBroker(await Installation.make({}, host), this.#key);
    replica.operator = this.operator;
    const own = replica.installation;
    await mkdir(own.file('keys'), { mode: 0o700 });
    await copyFile(installation.file('keys/checkpoint'), own.file('keys/checkpoint'));
    const audit = {
      origin: 'quaymaster.test/e2e',
      logKeyFile: installation.file('keys/log.pem'),
      checkpointFile: own.file('keys/checkpoint'),
      sinks: [{ type: 'file', path: own.file('audit.jsonl') }],
      denials: { entriesPerWindow: 10_000 },
    };
    const kek = { type: 'local-file', path: installation.file('keys/kek') };
    await own.configure({ ...this.#config, kek, audit });
    return replica;
  }

  async create(path: string, document: object): Promise<void> {
    await this.installation.create(this.operator, path, document);
  }

  /** Writes a secret that does not exist yet. */
  async write(path: string, data: SecretData): Promise<void> {
    const answer = await this.installation.callUntilTaken('PUT', `/api/v1/secrets/${path}`, {
      token: this.operator,
      body: { data },
      headers: { 'if-none-match': '*' },
    });
    if (answer.status !== 201) throw new Error(`PUT ${path}: ${JSON.stringify(answer.json)}`);
  }

  /** Starts it as a program with failpoints, and optionally with a clock of another speed. */
  async startWithFailpoints(clock?: Clock): Promise<void> {
    await this.installation.start([
      FAILPOINT_MAIN,
      '--failpoint',
      this.installation.file('failpoint'),
      ...(clock === undefined ? [] : ['--clock', `${clock.epoch}x${clock.speed}`]),
    ]);
  }

  /** Arms points from now on, once each. */
  async arm(point: string, action: FailpointAction, ...more: readonly string[]): Promise<void> {
    await this.installation.write('failpoint', [`${point} ${action}`, ...more].join('\n'));
  }

  serviceAccountToken({
    serviceAccount = 'api',
    pod = 'api-0',
    at = Date.now(),
  }: Pod = {}): string {
    const claims = boundClaims({
      issuer: ISSUER,
      audience: [AUDIENCE],
      issuedAt: Math.floor(at / 1000) - 1,
      serviceAccount: { name: serviceAccount, uid: `uid-of-${serviceAccount}` },
      pod: { name: pod, uid: `uid-of-${pod}` },
      lifetimeSeconds: TOKEN_SECONDS,
    });
    return signedToken(this.#key, claims);
  }

  /** Logs a pod in and returns its session token. */
  async logIn(pod: Pod = {}): Promise<string> {
    const body = { cluster: 'c1', token: this.serviceAccountToken(pod) };
    const answer = await this.installation.callUntilTaken('POST', '/api/v1/sessions', { body });
    if (answer.status !== 201) throw new Error(`no session: ${JSON.stringify(answer.json)}`);
    return String(answer.json['token']);
  }

  /** Logs in like `logIn`, but retries: a cluster's keys load a moment after the start. */
  async logInEarly(pod: Pod = {}): Promise<string> {
    return eventually('a session', () =>
      this.logIn(pod).catch((error: unknown) => {
        if (!String(error).includes('ERR_IDENTITY_UNAVAILABLE')) throw error;
        return undefined;
      }),
    );
  }

  async read(token: string, path: string): Promise<Answer> {
    return this.installation.call('GET', `/api/v1/secrets/${path}`, { token });
  }

  async order(token: string, path: string, idempotencyKey: string): Promise<Answer> {
    return this.installation.call('POST', `/api/v1/credentials/${path}`, {
      token,
      body: {},
      headers: { 'idempotency-key': idempotencyKey },
    });
  }

  /** The present value of a gauge or counter of `/metrics`, by its name and labels. */
  async metric(name: string): Promise<number> {
    const [value = NaN] = await this.metrics([name]);
    return value;
  }

  /** Values of one scrape. */
  async metrics(names: readonly string[]): Promise<readonly number[]> {
    const headers = { authorization: `Bearer ${this.operator}` };
    const answer = await fetch(`${this.installation.url}/metrics`, { headers });
    const text = await answer.text();
    if (answer.status !== 200) throw new Error(`GET /metrics: ${answer.status} ${text}`);
    const lines = text.split('\n');
    return names.map((name) => {
      const line = lines.find((each) => each.startsWith(`${name} `));
      return Number(line?.slice(name.length));
    });
  }

  /** Stops, exports the log and verifies it against the checkpoint outside the store. @returns the report. */
  async verifiedLog(): Promise<string> {
    const { installation } = this;
    await installation.stop();
    return installation.verifiedLog({ checkpoint: installation.file('keys/checkpoint') });
  }

  async remove(): Promise<void> {
    await this.installation.remove();
  }
}

/** The configuration of a connection to a fake Vault whose token is in the file `vault.token`. */
export function vaultConnection(
  directory: string,
  address: string,
  limits: Readonly<Record<string, number>> = {},
): object {
  return {
    type: 'vault',
    address,
    auth: { method: 'token', tokenFile: `${directory}/vault.token` },
    locators: ['secret/data/**', 'db/creds/**'],
    limits: { ...PATIENT, ...limits },
  };
}

const POLICY = {
  apiVersion: 'quaymaster.dev/v1',
  kind: 'AccessPolicy',
  metadata: { name: 'all' },
  spec: {
    subjects: [{ clusters: ['c1'], namespaces: ['prod'], serviceAccounts: ['*'] }],
    rules: [
      {
        name: 'everything',
        effect: 'allow',
        paths: ['**'],
        capabilities: ['read', 'list', 'write'],
      },
    ],
  },
};
