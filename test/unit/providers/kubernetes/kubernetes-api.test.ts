import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { BrokerError } from '../../../../src/domain/errors.ts';
import { connectKubernetes } from '../../../../src/providers/kubernetes/client/client.ts';
import { kubernetesConnectionSchema } from '../../../../src/providers/kubernetes/config.ts';
import type { KubernetesAccess } from '../../../../src/providers/kubernetes/config.ts';
import type { KubernetesApi } from '../../../../src/ports/kubernetes-api.ts';
import { until } from '../../../kit/backends/until.ts';
import { FakeApiServer } from '../../../kit/fakes/fake-api-server.ts';
import {
  answer,
  drip,
  drop,
  flood,
  gzipBomb,
  redirect,
  stall,
} from '../../../kit/fakes/server-faults.ts';
import type { ServerFault } from '../../../kit/fakes/server-faults.ts';

const never = new AbortController().signal;
let fake: FakeApiServer;
let api: KubernetesApi;
beforeEach(async () => {
  fake = await FakeApiServer.start();
  api = await connectKubernetes(fake.access);
});
afterEach(async () => {
  api.close();
  await fake.close();
});

const getPods = (signal = never, client = api): Promise<unknown> =>
  client.call({ method: 'GET', path: ['api', 'v1', 'pods'] }, signal);

async function failureOf(attempt: Promise<unknown>): Promise<BrokerError> {
  const error: unknown = await attempt.then(
    () => new Error('it succeeded'),
    (reason: unknown) => reason,
  );
  if (error instanceof BrokerError) return error;
  throw error;
}

describe('a Kubernetes connection', () => {
  it('sends the token of its file, and a new one once the file has it', async () => {
    await getPods();
    fake.credential = 'rotated';
    expect(await failureOf(getPods())).toMatchObject({ code: 'ERR_PROVIDER_DENIED' });
    await fake.writeCredential();
    await expect(getPods()).resolves.toMatchObject({ kind: 'PodList' });
    expect(fake.requests.at(-1)?.authorization).toBe('Bearer rotated');
  });

  it('trusts a new CA once the file has it', async () => {
    const renewed = await FakeApiServer.start();
    const access = { ...renewed.access, caFile: fake.caFile };
    const client = await connectKubernetes(access);
    expect(await failureOf(getPods(never, client))).toMatchObject({
      code: 'ERR_PROVIDER_UNAVAILABLE',
    });
    await writeFile(fake.caFile, renewed.authority.cert);
    await expect(getPods(never, client)).resolves.toBeDefined();
    client.close();
    await renewed.close();
  });

  it('reveals nothing of the token when its file is missing', async () => {
    const client = await connectKubernetes({ ...fake.access, tokenFile: '/nowhere/token' });
    expect(await failureOf(getPods(never, client))).toMatchObject({
      code: 'ERR_PROVIDER_UNAVAILABLE',
    });
    expect(fake.requests).toEqual([]);
    client.close();
  });

  it('encodes each segment and refuses segments that would lead elsewhere', async () => {
    const names = ['..%2f..', 'a/b', 'a?b=c', 'a#b', 'ä', '%2e%2e'];
    for (const name of names) {
      await failureOf(api.call({ method: 'GET', path: ['api', 'v1', 'secrets', name] }, never));
      expect(fake.requests.at(-1)?.url.pathname).toBe(
        `/api/v1/secrets/${encodeURIComponent(name)}`,
      );
    }
    const sent = fake.requests.length;
    for (const name of ['', '.', '..', '\ud800']) {
      const attempt = api.call({ method: 'GET', path: ['api', name] }, never);
      expect(await failureOf(attempt)).toMatchObject({ code: 'ERR_PATH_INVALID' });
    }
    expect(fake.requests.length).toBe(sent);
  });

  it.each([
    [400, 'ERR_PROVIDER_FAILED'],
    [401, 'ERR_PROVIDER_DENIED'],
    [403, 'ERR_PROVIDER_DENIED'],
    [404, 'ERR_NOT_FOUND'],
    [409, 'ERR_CONFLICT'],
    [410, 'ERR_PROVIDER_FAILED'],
    [429, 'ERR_PROVIDER_UNAVAILABLE'],
    [500, 'ERR_PROVIDER_FAILED'],
    [503, 'ERR_PROVIDER_UNAVAILABLE'],
    [504, 'ERR_PROVIDER_TIMEOUT'],
    [302, 'ERR_PROVIDER_FAILED'],
  ])('maps a %i to %s, with Retry-After and without the server’s text', async (status, code) => {
    fake.script('list', answer(status, { message: 'canary' }, { 'retry-after': '7' }));
    const error = await failureOf(getPods());
    expect(error).toMatchObject({ code, reason: `http_${status}`, retryAfterSeconds: 7 });
    expect(`${error.message} ${error.detail ?? ''} ${String(error.cause)}`).not.toContain('canary');
  });

  it('follows no redirect', async () => {
    const other = await FakeApiServer.start();
    fake.script('list', redirect(`${other.address}/api/v1/pods`));
    expect(await failureOf(getPods())).toMatchObject({ reason: 'http_302' });
    expect(other.requests).toEqual([]);
    await other.close();
  });

  it.each<[string, ServerFault, string]>([
    ['breaks off', drop, 'ERR_PROVIDER_UNAVAILABLE'],
    ['sends text that is not JSON', answer(200, '<html>'), 'ERR_PROVIDER_MALFORMED'],
    ['sends half of it', answer(200, '{"kind":'), 'ERR_PROVIDER_MALFORMED'],
    ['does not stop sending', flood, 'ERR_PROVIDER_MALFORMED'],
    [
      'announces too much',
      answer(200, '', { 'content-length': '9999999999' }),
      'ERR_PROVIDER_MALFORMED',
    ],
    ['sends a bomb', gzipBomb, 'ERR_PROVIDER_MALFORMED'],
  ])('fails when the server %s', async (_, fault, code) => {
    fake.script('list', fault);
    expect(await failureOf(getPods())).toMatchObject({ code });
  });

  it.each([
    ['stays silent', stall],
    ['drips', drip],
  ])('fails at its caller’s deadline when the server %s', async (_, fault) => {
    fake.script('list', fault);
    const deadline = new AbortController();
    const attempt = failureOf(getPods(deadline.signal));
    await until('the request came', () => Promise.resolve(fake.countOf('list') === 1));
    deadline.abort();
    expect(await attempt).toMatchObject({ code: 'ERR_PROVIDER_TIMEOUT' });
  });

  it('sends nothing once its caller’s deadline has passed', async () => {
    expect(await failureOf(getPods(AbortSignal.abort()))).toMatchObject({
      code: 'ERR_PROVIDER_TIMEOUT',
    });
    expect(fake.requests).toEqual([]);
  });

  it('reads a watch line by line, however it is split', async () => {
    const lines = await api.stream(
      { path: ['api', 'v1', 'pods'], query: { watch: 'true', resourceVersion: fake.pods.version } },
      never,
    );
    const text = '{"a":"ä"}\n\n{"b":[1,2]}\n{"c"';
    const read = (async (): Promise<unknown[]> => {
      const values: unknown[] = [];
      for await (const line of lines) values.push(line);
      return values;
    })();
    for (const byte of Buffer.from(text)) fake.watches.write(Buffer.from([byte]));
    fake.watches.end();
    expect(await read).toEqual([{ a: 'ä' }, { b: [1, 2] }]);
  });
});

describe('the certificate of the API server', () => {
  const hour = 3_600_000;

  it.each([
    ['is for another name', { commonName: 'x', dnsNames: ['other.test'] }],
    ['has no subject alternative name', { commonName: '127.0.0.1' }],
    [
      'has expired',
      {
        commonName: 'x',
        ipAddresses: ['127.0.0.1'],
        notBefore: new Date(Date.now() - 2 * hour),
        notAfter: new Date(Date.now() - hour),
      },
    ],
    [
      'is not valid yet',
      { commonName: 'x', ipAddresses: ['127.0.0.1'], notBefore: new Date(Date.now() + hour) },
    ],
  ])('is refused when it %s (T06, B08)', async (_, certificate) => {
    const wrong = await FakeApiServer.start(certificate);
    const client = await connectKubernetes(wrong.access);
    expect(await failureOf(getPods(never, client))).toMatchObject({
      code: 'ERR_PROVIDER_UNAVAILABLE',
    });
    expect(wrong.requests).toEqual([]);
    client.close();
    await wrong.close();
  });

  it('is refused when another authority signed it (T06)', async () => {
    const other = await FakeApiServer.start();
    const client = await connectKubernetes({ ...fake.access, caFile: other.caFile });
    expect(await failureOf(getPods(never, client))).toMatchObject({
      code: 'ERR_PROVIDER_UNAVAILABLE',
    });
    expect(fake.requests).toEqual([]);
    client.close();
    await other.close();
  });
});

it('verifies certificates even if the environment turns verification off (T06; CVE-2021-22939)', async () => {
  const wrong = await FakeApiServer.start({ commonName: 'x', dnsNames: ['other.test'] });
  const client = new URL('../../../../src/providers/kubernetes/client/client.ts', import.meta.url)
    .href;
  const script = `
    const { connectKubernetes } = await import(${JSON.stringify(client)});
    const api = await connectKubernetes(${JSON.stringify(wrong.access)});
    const request = { method: 'GET', path: ['api', 'v1', 'pods'] };
    const outcome = await api.call(request, AbortSignal.timeout(60000)).then(() => 'accepted', (error) => error.code);
    process.stdout.write(outcome);
  `;
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--no-warnings', '--input-type=module', '-e', script],
    { env: { NODE_TLS_REJECT_UNAUTHORIZED: '0' } },
  );
  expect(stdout).toBe('ERR_PROVIDER_UNAVAILABLE');
  expect(wrong.requests).toEqual([]);
  await wrong.close();
});

describe('the configuration of a Kubernetes connection', () => {
  const accepts = (access: unknown): boolean =>
    kubernetesConnectionSchema.safeParse(access).success;
  const type = 'kubernetes';

  it('names exactly one way to the API server', () => {
    expect(accepts({ type, inCluster: true })).toBe(true);
    expect(accepts({ type, server: 'https://k', tokenFile: '/t' })).toBe(true);
    expect(accepts({ type, server: 'https://k:6443', tokenFile: '/t', caFile: '/c' })).toBe(true);
    expect(accepts({ type, kubeconfigFile: '/k', context: 'c' })).toBe(true);
    expect(accepts({ type })).toBe(false);
    expect(accepts({ type, inCluster: true, kubeconfigFile: '/k' })).toBe(false);
    expect(accepts({ type, inCluster: true, server: 'https://k', tokenFile: '/t' })).toBe(false);
  });

  it.each([
    { server: 'http://k', tokenFile: '/t' },
    { server: 'https://u:p@k', tokenFile: '/t' },
    { server: 'https://k?x', tokenFile: '/t' },
    { server: 'https://k' },
    { inCluster: false },
    { inCluster: true, tokenFile: '/t' },
    { kubeconfigFile: '/k', caFile: '/c' },
    { inCluster: true, context: 'c' },
    { inCluster: true, insecureSkipTlsVerify: true },
    { server: 'https://k', tokenFile: '/t', rejectUnauthorized: false },
  ])('refuses insecure or contradictory settings: %j (T06)', (access) => {
    expect(accepts({ type, ...access })).toBe(false);
  });
});

describe('a kubeconfig file', () => {
  let directory = '';
  beforeEach(async () => void (directory = await mkdtemp(join(tmpdir(), 'qm-kubeconfig-'))));
  afterEach(() => rm(directory, { recursive: true }));

  async function write(cluster: object, user: object): Promise<KubernetesAccess> {
    const kubeconfigFile = join(directory, 'config');
    const config = {
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [{ name: 'c', cluster }],
      users: [{ name: 'u', user }],
      contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
      'current-context': 'x',
    };
    await writeFile(kubeconfigFile, JSON.stringify(config));
    return { type: 'kubernetes', kubeconfigFile };
  }
  const authority = (): string => Buffer.from(fake.authority.cert).toString('base64');

  it('gives the same connection as the single files', async () => {
    const cluster = { server: fake.address, 'certificate-authority-data': authority() };
    const client = await connectKubernetes(await write(cluster, { token: fake.credential }));
    await expect(getPods(never, client)).resolves.toMatchObject({ kind: 'PodList' });
    client.close();
  });

  it('sets the expected server name of the certificate', async () => {
    const cluster = {
      server: fake.address,
      'certificate-authority-data': authority(),
      'tls-server-name': 'other.test',
    };
    const client = await connectKubernetes(await write(cluster, { token: fake.credential }));
    expect(await failureOf(getPods(never, client))).toMatchObject({
      code: 'ERR_PROVIDER_UNAVAILABLE',
    });
    client.close();
  });

  it.each([
    ['does not verify', { 'insecure-skip-tls-verify': true }, { token: 't' }],
    ['has a proxy', { 'proxy-url': 'http://proxy.test' }, { token: 't' }],
    ['has no TLS', { server: 'http://127.0.0.1:1' }, { token: 't' }],
    ['has a password', {}, { username: 'admin', password: 'canary' }],
  ])('is refused when it %s (T06, B08)', async (_, cluster, user) => {
    const access = await write({ server: fake.address, ...cluster }, user);
    const error = await failureOf(connectKubernetes(access));
    expect(error.code).toBe('ERR_CONFIG_INVALID');
    expect(error.message).not.toContain('canary');
  });

  it('is refused when it is not a kubeconfig, or lacks the context', async () => {
    const missing: KubernetesAccess = { type: 'kubernetes', kubeconfigFile: join(directory, 'no') };
    expect(await failureOf(connectKubernetes(missing))).toMatchObject({
      code: 'ERR_CONFIG_INVALID',
    });
    const access = await write({ server: fake.address }, { token: 't' });
    expect(await failureOf(connectKubernetes({ ...access, context: 'other' }))).toMatchObject({
      code: 'ERR_CONFIG_INVALID',
    });
  });
});
