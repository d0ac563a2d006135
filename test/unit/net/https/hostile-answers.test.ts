import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { DiscoveredJwks } from '../../../../src/auth/jwks/discovered-jwks.ts';
import { OpenIdIssuer } from '../../../../src/auth/people/openid-issuer.ts';
import { peopleConfigSchema } from '../../../../src/auth/config.ts';
import { listResources } from '../../../../src/auth/watch/list-resources.ts';
import { TokenReviewer } from '../../../../src/auth/token-review/token-reviewer.ts';
import { HttpSink } from '../../../../src/audit/sinks/http.ts';
import { WitnessClient } from '../../../../src/audit/upkeep/add-checkpoint.ts';
import { BrokerError } from '../../../../src/domain/errors.ts';
import { systemClock } from '../../../../src/process/clock.ts';
import { archiveBucket } from '../../../../src/providers/aws/archive-bucket.ts';
import { checkpointObject } from '../../../../src/providers/aws/checkpoint-object.ts';
import { connectAwsAccount } from '../../../../src/providers/aws/client/account.ts';
import { awsKmsConfig } from '../../../../src/providers/aws/config.ts';
import { openAwsKmsKey } from '../../../../src/providers/aws/kek.ts';
import { createGuard } from '../../../../src/providers/guard/guard.ts';
import { guardLimitsSchema } from '../../../../src/providers/guard/config.ts';
import { connectKubernetes } from '../../../../src/providers/kubernetes/client/client.ts';
import { kubernetesConnectionSchema } from '../../../../src/providers/kubernetes/config.ts';
import { vaultTransitConfig } from '../../../../src/providers/vault/config.ts';
import { openVaultTransitKey } from '../../../../src/providers/vault/kek.ts';
import { WebhookEndpoint } from '../../../../src/providers/webhook/client.ts';
import { webhookConnectionSchema } from '../../../../src/providers/webhook/config.ts';
import { connect, REGION, setCredentials } from '../../../kit/aws/aws-connection.ts';
import { SpanExporter } from '../../../../src/process/trace/exporter.ts';
import { tracesConfigSchema } from '../../../../src/process/trace/config.ts';
import { KIND, type Span } from '../../../../src/process/trace/otlp.ts';
import { NotificationSink } from '../../../../src/audit/sinks/notification-sink.ts';
import { notificationsConfigSchema } from '../../../../src/audit/sinks/config.ts';
import type { Clock } from '../../../../src/ports/clock.ts';
import { parseWitnessKey } from '../../../../src/crypto/log/cosignature.ts';
import { contextOf } from '../../../contract/secret-provider.contract.ts';
import { type HostileServer, startHostileServer } from '../../../kit/fakes/hostile-server.ts';
import { CertificateAuthority } from '../../../kit/network/certificates.ts';
import { PATIENT } from '../../../kit/providers/longest-timeout.ts';
import { until } from '../../../kit/backends/until.ts';
import { TestWitness } from '../../../kit/log/test-witness.ts';
import { VaultConnections } from '../../../kit/providers/vault-connections.ts';

/** Processor time of the event loop that one hostile answer may cost. Before the bounds: 2 s for lists in lists, 4.5 s for chunks of one byte. */
const MOST_CPU_MS = 1_000;
const MOST_BYTES = 16 * 1024 * 1024;
const LIMITS = { ...PATIENT, maxRetries: 0 };
/** Each deadline passes after a quarter of a second at the latest. */
const IMPATIENT: Clock = {
  ...systemClock,
  after: (ms, work) => systemClock.after(Math.min(ms, 250), work),
};
/** Clock of the clients that a test opens. */
let clock: Clock = systemClock;
const never = new AbortController().signal;

const authority = new CertificateAuthority();
const identity = authority.issue({ commonName: 'x', ipAddresses: ['127.0.0.1'] });
let directory: string;
let caFile: string;
let tokenFile: string;
let vaults: VaultConnections;
let server: HostileServer | undefined;
const closing: (() => unknown)[] = [];

beforeAll(async () => {
  setCredentials();
  directory = await mkdtemp(join(tmpdir(), 'quaymaster-hostile-http-'));
  [caFile, tokenFile] = [join(directory, 'ca.pem'), join(directory, 'token')];
  await writeFile(caFile, authority.cert);
  await writeFile(tokenFile, 'token');
  vaults = await VaultConnections.create();
});
afterEach(async () => {
  clock = systemClock;
  for (const close of closing.splice(0)) await close();
  await server?.close();
});
afterAll(async () => {
  await vaults.close();
  await rm(directory, { recursive: true });
});

type Ask = () => Promise<unknown>;

interface Driver {
  /** The longest answer that it reads, or a little less. */
  readonly bytes: number;
  readonly type: string;
  readonly isSecure: boolean;
  readonly open: (port: number) => Promise<Ask>;
}

const JSON_TYPE = 'application/json';
const plain = (port: number): string => `http://127.0.0.1:${port}`;
const kubernetes = async (port: number) => {
  const access = { type: 'kubernetes', server: `https://127.0.0.1:${port}`, caFile, tokenFile };
  const api = await connectKubernetes(kubernetesConnectionSchema.parse(access));
  closing.push(() => api.close());
  return api;
};

const DRIVERS: Readonly<Record<string, Driver>> = {
  Vault: {
    bytes: 1_000_000,
    type: JSON_TYPE,
    isSecure: false,
    async open(port) {
      const { client } = await vaults.connect(plain(port), 's.broker', { limits: LIMITS });
      return () => client.read({ method: 'GET', path: 'secret/data/db' }, contextOf());
    },
  },
  'AWS Secrets Manager': {
    bytes: 8_000_000,
    type: 'application/x-amz-json-1.1',
    isSecure: false,
    async open(port) {
      const connection = await connect(plain(port), LIMITS);
      closing.push(() => connection.close());
      const provider = connection.mount({ namePrefix: 'prod/' });
      return () => provider.read(provider.locate('db'), undefined, contextOf());
    },
  },
  'AWS KMS': {
    bytes: 60_000,
    type: 'application/x-amz-json-1.1',
    isSecure: false,
    async open(port) {
      const id = '00000000-0000-4000-8000-000000000000';
      const config = { type: 'aws-kms', connection: 'prod', region: REGION, keyId: id };
      const parsed = awsKmsConfig.parse({ ...config, endpoint: plain(port), limits: LIMITS });
      const kek = await openAwsKmsKey(parsed, clock);
      closing.push(() => kek.close());
      return () => kek.unwrap(Buffer.from('x'), Buffer.from('x'), contextOf());
    },
  },
  'AWS STS': {
    bytes: 250_000,
    type: 'text/xml',
    isSecure: false,
    async open(port) {
      const access = { region: REGION, endpoint: plain(port), stsEndpoint: plain(port) };
      const guard = createGuard(guardLimitsSchema.parse(LIMITS), { clock, connection: 'backend' });
      const account = await connectAwsAccount({ ...access, profile: undefined }, guard);
      closing.push(() => account.close());
      const role = { roleArn: 'arn:aws:iam::1:role/r', sessionName: 's', seconds: 900 };
      return () => account.assumeRole(role, contextOf());
    },
  },
  'an archive in S3': {
    bytes: 250_000,
    type: 'application/xml',
    isSecure: false,
    async open(port) {
      const config = { bucket: 'archive', region: REGION, endpoint: plain(port) };
      const bucket = await archiveBucket(config, clock);
      return () => bucket.get('x', MOST_BYTES);
    },
  },
  'a checkpoint in S3': {
    bytes: 250_000,
    type: 'application/xml',
    isSecure: false,
    async open(port) {
      const config = { bucket: 'checkpoints', region: REGION, endpoint: plain(port) };
      const checkpoint = await checkpointObject(config, clock);
      return () => checkpoint.read();
    },
  },
  'a Kubernetes API server': {
    bytes: 8_000_000,
    type: JSON_TYPE,
    isSecure: true,
    async open(port) {
      const api = await kubernetes(port);
      return () => api.call({ method: 'GET', path: ['api', 'v1', 'secrets'] }, never);
    },
  },
  'a list of a Kubernetes API server': {
    bytes: 16_000_000,
    type: JSON_TYPE,
    isSecure: true,
    async open(port) {
      const api = await kubernetes(port);
      const pods = { name: 'pods', path: ['api', 'v1', 'pods'], pageLimit: 250 };
      return () => listResources({ api, clock: systemClock }, pods, () => undefined, never);
    },
  },
  'a watch of a Kubernetes API server': {
    bytes: 4_000_000,
    type: JSON_TYPE,
    isSecure: true,
    async open(port) {
      const api = await kubernetes(port);
      return async () => {
        for await (const line of await api.stream({ path: ['api', 'v1', 'pods'] }, never))
          if (!Object.hasOwn(line as object, 'type'))
            throw new BrokerError('ERR_PROVIDER_MALFORMED');
      };
    },
  },
  'the keys of an issuer': {
    bytes: 500_000,
    type: JSON_TYPE,
    isSecure: true,
    open(port) {
      const issuerUrl = `https://127.0.0.1:${port}`;
      const keys = new DiscoveredJwks({ issuerUrl, caFile, hosts: [] });
      closing.push(() => keys.close());
      return Promise.resolve(() => keys.fetch(never));
    },
  },
  'the issuer of people': {
    bytes: 500_000,
    type: JSON_TYPE,
    isSecure: true,
    open(port) {
      const config = { issuerUrl: `https://127.0.0.1:${port}`, clientId: 'quaymaster', caFile };
      const { corp } = peopleConfigSchema.parse({ issuers: { corp: config } }).issuers;
      if (corp === undefined) throw new Error('no issuer');
      const issuer = new OpenIdIssuer(corp, systemClock);
      return Promise.resolve(() =>
        issuer.beginCode('http://127.0.0.1/callback', {}, { signal: never, network: 'n' }),
      );
    },
  },
  'a webhook': {
    bytes: 60_000,
    type: JSON_TYPE,
    isSecure: true,
    open(port) {
      const config = webhookConnectionSchema.parse({
        type: 'webhook',
        url: `https://127.0.0.1:${port}/hook`,
        allowPrivateAddresses: true,
        secretFile: tokenFile,
        tls: { caFile },
        locators: ['**'],
      });
      const endpoint = new WebhookEndpoint(config, () =>
        Promise.resolve([{ address: '127.0.0.1', family: 4 }]),
      );
      return Promise.resolve(() => endpoint.post({ headers: {}, body: Buffer.from('{}') }, never));
    },
  },
};

const SPAN: Span = {
  traceId: '4bf92f3577b34da6a3ce929d0e0e4736',
  spanId: '00f067aa0ba902b7',
  parentId: undefined,
  isParentRemote: false,
  name: 'decide',
  kind: KIND.internal,
  startedAt: 0,
  endedAt: 1,
  attributes: {},
  hasFailed: false,
};

/** An entry of which people are notified. */
const INCIDENT = {
  time: '2026-11-27T12:00:00.000Z',
  action: 'incident.open',
  outcome: 'ok',
  pod: { cluster: 'prod', namespace: 'shop', name: 'web-0', uid: 'u' },
};

/** Receivers of the broker and the key-encryption key, whose answers are short. */
const RECEIVERS: Readonly<Record<string, Driver>> = {
  'a Transit key': {
    bytes: 60_000,
    type: JSON_TYPE,
    isSecure: false,
    async open(port) {
      const auth = { method: 'token', tokenFile };
      const settings = { type: 'vault-transit', connection: 'prod', key: 'kek', auth };
      const config = vaultTransitConfig.parse({
        ...settings,
        address: plain(port),
        limits: LIMITS,
      });
      const kek = await openVaultTransitKey(config, clock);
      closing.push(() => kek.close());
      return () => kek.unwrap(Buffer.from('vault:v1:AAAA'), Buffer.from('x'), contextOf());
    },
  },
  'a TokenReview': {
    bytes: 60_000,
    type: JSON_TYPE,
    isSecure: true,
    async open(port) {
      const reviewer = new TokenReviewer(await kubernetes(port), ['quaymaster'], clock);
      return () => reviewer.review('e30.e30.e30', never);
    },
  },
  'a witness': {
    bytes: 60_000,
    type: 'text/plain',
    isSecure: false,
    async open(port) {
      const witness = await TestWitness.start('witness.test/hostile', []);
      closing.push(() => witness.close());
      const verifier = parseWitnessKey(witness.key);
      const client = new WitnessClient({ url: plain(port), verifier }, clock);
      closing.push(() => client.close());
      return () => client.add({ old: 0, proof: [], note: 'n' });
    },
  },
  'the receiver of an HTTP sink': {
    bytes: 60_000,
    type: JSON_TYPE,
    isSecure: false,
    open(port) {
      const sink = new HttpSink({ type: 'http', url: plain(port) }, clock);
      closing.push(() => sink.close());
      return Promise.resolve(() => sink.deliver({ origin: 'a.b/c', first: 0, entries: ['{}'] }));
    },
  },
  'a receiver of notifications': {
    bytes: 60_000,
    type: JSON_TYPE,
    isSecure: true,
    async open(port) {
      const secretFile = join(directory, 'notification.key');
      await writeFile(secretFile, Buffer.alloc(32, 1).toString('base64'));
      const target = { format: 'quaymaster', url: `https://127.0.0.1:${port}`, secretFile, caFile };
      const { ops } = notificationsConfigSchema.parse({ ops: target });
      const sink = new NotificationSink('ops', ops!, clock);
      closing.push(() => sink.close());
      const entries = [JSON.stringify(INCIDENT)];
      return () => sink.deliver({ origin: 'a.b/c', first: 0, entries });
    },
  },
  'a collector of traces': {
    bytes: 60_000,
    type: JSON_TYPE,
    isSecure: false,
    async open(port) {
      const log = { info: () => undefined, warn: () => undefined, error: () => undefined };
      const config = tracesConfigSchema.parse({ endpoint: plain(port) });
      const exporter = await SpanExporter.open(config, {
        clock,
        log,
        random: { fraction: () => 0.5 },
        release: '1',
      });
      return () => {
        exporter.add(SPAN);
        return exporter.close();
      };
    },
  },
};

/** Writes parts as fast as the peer reads them, and ends. */
function pour(socket: Socket, parts: Iterable<string | Buffer>): void {
  const rest = parts[Symbol.iterator]();
  const go = (): void => {
    for (let next = rest.next(); next.done !== true; next = rest.next()) {
      if (socket.destroyed) return;
      if (socket.write(next.value)) continue;
      socket.once('drain', go);
      return;
    }
    socket.end();
  };
  go();
}

function* repeated(part: string, times: number, before = '', after = ''): Generator<string> {
  yield before;
  for (let count = 0; count < times; count += 1) yield part;
  yield after;
}

type Worst = (type: string) => Iterable<string | Buffer>;

const head = (type: string, more: string): string =>
  `HTTP/1.1 200 OK\r\nContent-Type: ${type}\r\n${more}\r\n`;
const chunked = (type: string): string => head(type, 'Transfer-Encoding: chunked\r\n');
/** The text is made when it is sent: all texts of all drivers together would take a gigabyte. */
const body =
  (makeText: () => string): Worst =>
  (type) => {
    const text = makeText();
    return [head(type, `Content-Length: ${text.length}\r\n`), text];
  };

const bodies = (bytes: number): readonly (readonly [string, Worst])[] => {
  const fill = (text: string): string => text.repeat(Math.floor(bytes / text.length));
  const joined = (separator: string, part: (index: number) => string): string =>
    Array.from({ length: bytes / 16 }, (_none, index) => part(index)).join(separator);
  return [
    ['a number of many digits', body(() => `{"n":${fill('9')}}`)],
    ['lists within lists', body(() => `{"n":${fill('[')}`)],
    ['objects within objects', body(() => fill('{"a":'))],
    ['empty lists', body(() => `{"n":[${fill('[],')}[]]}`)],
    ['many names', body(() => `{${joined(',', (index) => `"${index * 4001}k":1`)}}`)],
    ['one name again and again', body(() => `{${fill('"a":1,')}"a":1}`)],
    ['fractions', body(() => `{"n":[${fill('0.10,')}1]}`)],
    ['elements within elements', body(() => fill('<a>'))],
    ['empty elements', body(() => `<r>${fill('<a/>')}</r>`)],
    ['attributes', body(() => `<r ${joined(' ', (index) => `a${index}=""`)}/>`)],
    ['entities', body(() => `<r>${fill('&amp;')}</r>`)],
    ['a document type', body(() => `<!DOCTYPE r [${fill('<!ENTITY a "b">')}]><r>&a;</r>`)],
    ['lines', body(() => fill('{}\n'))],
  ];
};

const packed = gzipSync(Buffer.alloc(64 * 1024 * 1024, '['));

const FRAMES: readonly (readonly [string, Worst])[] = [
  ['a body without an end', (type) => repeated('x'.repeat(65_536), 2_000, head(type, ''))],
  [
    'chunks of one byte',
    (type) => repeated('1\r\n \r\n'.repeat(4_096), 2_000, chunked(type), '0\r\n\r\n'),
  ],
  [
    'extensions of chunks',
    (type) => repeated(`1;${'a'.repeat(200)}\r\n \r\n`.repeat(300), 1_000, chunked(type)),
  ],
  [
    'an extension without an end',
    (type) => repeated('a'.repeat(65_536), 500, `${chunked(type)}1;`),
  ],
  [
    'trailers without an end',
    (type) => repeated('a: b\r\n'.repeat(4_096), 1_000, `${chunked(type)}0\r\n`),
  ],
  [
    'headers without an end',
    () => repeated('a: b\r\n'.repeat(4_096), 1_000, 'HTTP/1.1 200 OK\r\n'),
  ],
  ['heads without an end', () => repeated('HTTP/1.1 100 Continue\r\n\r\n'.repeat(1_024), 500)],
  [
    '64 MiB in 64 KiB of gzip',
    (type) => {
      const more = `Content-Encoding: gzip\r\nContent-Length: ${packed.length}\r\n`;
      return [head(type, more), packed];
    },
  ],
  ['another protocol', () => ['HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n']],
];

describe.each(Object.entries({ ...DRIVERS, ...RECEIVERS }))(
  'the worst answers over HTTP of %s (B10)',
  (_name, driver) => {
    it.each([...bodies(driver.bytes), ...FRAMES])(
      'cost little of the event loop: %s',
      async (_what, worst) => {
        const { type, isSecure, open } = driver;
        const answer = worst(type);
        server = await startHostileServer(
          (socket, count) => {
            if (count > 0) pour(socket, answer);
          },
          isSecure ? identity : undefined,
        );
        const ask = await open(server.port);
        const before = process.threadCpuUsage();
        const error = await ask().then(
          () => undefined,
          (failure: unknown) => failure,
        );
        const { user, system } = process.threadCpuUsage(before);
        expect((user + system) / 1_000).toBeLessThan(MOST_CPU_MS);
        if (error !== undefined) expect(error).toBeInstanceOf(Error);
      },
    );
  },
);

/** Sends a byte now and then, and never the last one. */
function drip(socket: Socket, begin: string): void {
  socket.write(begin);
  const timer = setInterval(() => socket.write('a'), 5);
  socket.once('close', () => clearInterval(timer));
}

const DRIPS: readonly (readonly [string, (type: string) => string])[] = [
  ['a head', (type) => `HTTP/1.1 200 OK\r\nContent-Type: ${type}\r\nX: `],
  ['a body', (type) => head(type, 'Content-Length: 50000\r\n')],
];

/** Clients whose deadlines follow the clock; the tests of the other drivers drip, too. */
const WITH_DEADLINES: readonly (readonly [string, Driver])[] = Object.entries({
  ...DRIVERS,
  ...RECEIVERS,
}).filter(
  ([name]) =>
    Object.hasOwn(RECEIVERS, name) || ['AWS KMS', 'AWS STS', 'an archive in S3'].includes(name),
);

describe.each(WITH_DEADLINES)('a slow answer over HTTP of %s (B10)', (_name, driver) => {
  it.each(DRIPS)('ends at the deadline: %s byte by byte', async (_what, begin) => {
    const { type, isSecure, open } = driver;
    let closed = 0;
    server = await startHostileServer(
      (socket, count) => {
        if (count !== 1) return;
        socket.once('close', () => (closed += 1));
        drip(socket, begin(type));
      },
      isSecure ? identity : undefined,
    );
    clock = IMPATIENT;
    const ask = await open(server.port);
    await ask().catch((failure: unknown) => expect(failure).toBeInstanceOf(Error));
    await until('the client closes the connection', () => Promise.resolve(closed > 0));
  });
});

describe.each(Object.entries({ ...DRIVERS, ...RECEIVERS }))(
  'a redirect over HTTP of %s (B10)',
  (_name, driver) => {
    it.each([301, 302, 307, 308])('is not followed: %i', async (status) => {
      const { isSecure, open } = driver;
      const own = isSecure ? identity : undefined;
      let visits = 0;
      const elsewhere = await startHostileServer(() => (visits += 1), own);
      closing.push(() => elsewhere.close());
      const location = `${isSecure ? 'https' : 'http'}://127.0.0.1:${elsewhere.port}/`;
      server = await startHostileServer((socket, count) => {
        const lines = `HTTP/1.1 ${status} Moved\r\nLocation: ${location}\r\nContent-Length: 0\r\n\r\n`;
        if (count > 0) socket.end(lines);
      }, own);
      clock = IMPATIENT;
      const ask = await open(server.port);
      await ask().catch((failure: unknown) => expect(failure).toBeInstanceOf(Error));
      expect([server.received().length > 0, visits]).toEqual([true, 0]);
    });
  },
);
