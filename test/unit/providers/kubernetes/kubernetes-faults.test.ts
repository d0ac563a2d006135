import { readFileSync } from 'node:fs';
import { inspect } from 'node:util';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { CallContext } from '../../../../src/ports/call-context.ts';
import type { CredentialRequest, SecretProvider } from '../../../../src/ports/secret-provider.ts';
import { FakeApiServer } from '../../../kit/fakes/fake-api-server.ts';
import { drip, drop, flood, gzipBomb, stall } from '../../../kit/fakes/server-faults.ts';
import { connectTo } from '../../../kit/fakes/faulty-kubernetes.ts';
import type { ClosableProvider } from '../../../kit/providers/closable-provider.ts';

const CANARY = 'canary-4d1e-secret';
const CONTEXT: CallContext = { requestId: 'req-1', signal: new AbortController().signal };
const secret = (over: object, data: object = { key: 'dg==' }) => ({
  kind: 'Secret',
  metadata: { name: 'db', namespace: 'payments', ...over },
  data,
});
const CANARY_BASE64 = Buffer.from(CANARY).toString('base64');

interface Vectors {
  readonly begun: {
    readonly intentId: string;
    readonly ref: object;
    readonly ttlSeconds: number;
    readonly handle: string;
  };
  readonly prepared: { readonly uid: string; readonly handle: string };
}
const file = new URL('../../../vectors/kubernetes-token-handle-v1.json', import.meta.url);
const vectors = JSON.parse(readFileSync(file, 'utf8')) as Vectors;

describe('a faulty Kubernetes API', () => {
  let fake: FakeApiServer;
  let connection: ClosableProvider;
  let provider: SecretProvider;
  const answer = (status: number, body: unknown, headers: Record<string, string> = {}) =>
    fake.script('other', (_request, response) => {
      response.writeHead(status, { 'content-type': 'application/json', ...headers });
      response.end(typeof body === 'string' ? body : JSON.stringify(body));
    });
  const failure = (work: Promise<unknown>): Promise<unknown> =>
    work.then(
      () => 'resolved',
      (error: unknown) => error,
    );
  const read = () => provider.read('payments/db', undefined, CONTEXT);
  const printed = (error: unknown) => inspect(error, { depth: 10, showHidden: true });

  beforeAll(async () => {
    fake = await FakeApiServer.start();
  });
  beforeEach(async () => {
    connection = await connectTo(fake);
    provider = connection.mount({ namespace: 'payments' });
    fake.requests.length = 0;
  });
  afterEach(() => connection.close());
  afterAll(() => fake.close());

  it.each<[string, number, unknown, string]>([
    ['401', 401, { message: CANARY }, 'ERR_PROVIDER_DENIED'],
    ['403', 403, { message: CANARY }, 'ERR_PROVIDER_DENIED'],
    ['404', 404, { message: CANARY }, 'ERR_NOT_FOUND'],
    ['422', 422, { message: CANARY }, 'ERR_PROVIDER_FAILED'],
    ['429', 429, { message: CANARY }, 'ERR_PROVIDER_UNAVAILABLE'],
    ['500', 500, CANARY, 'ERR_PROVIDER_FAILED'],
    ['503', 503, CANARY, 'ERR_PROVIDER_UNAVAILABLE'],
    ['HTML', 200, `<html>${CANARY}`, 'ERR_PROVIDER_MALFORMED'],
    ['half a body', 200, `{"kind":"Secret","x":"${CANARY}`, 'ERR_PROVIDER_MALFORMED'],
    ['5 MiB', 200, { ...secret({}), more: CANARY.repeat(300_000) }, 'ERR_PROVIDER_MALFORMED'],
    ['another kind', 200, { ...secret({}), kind: 'ConfigMap' }, 'ERR_PROVIDER_MALFORMED'],
    ['another name', 200, secret({ name: 'other' }), 'ERR_PROVIDER_MALFORMED'],
    ['another namespace', 200, secret({ namespace: 'other' }), 'ERR_PROVIDER_MALFORMED'],
    ['data that is not base64', 200, secret({}, { key: `!${CANARY}` }), 'ERR_PROVIDER_MALFORMED'],
    ['base64 in another form', 200, secret({}, { key: 'dg' }), 'ERR_PROVIDER_MALFORMED'],
    ['a number as data', 200, secret({}, { key: 5 }), 'ERR_PROVIDER_MALFORMED'],
    ['a key that cannot be', 200, secret({}, { '../key': 'dg==' }), 'ERR_PROVIDER_MALFORMED'],
    [
      '257 keys',
      200,
      secret(
        {},
        Object.fromEntries(
          Array.from({ length: 257 }, (_, at) => [`k${String(at)}`, CANARY_BASE64]),
        ),
      ),
      'ERR_PROVIDER_MALFORMED',
    ],
    [
      '50,000 levels',
      200,
      '{"a":'.repeat(50_000) + '1' + '}'.repeat(50_000),
      'ERR_PROVIDER_MALFORMED',
    ],
    ['no data', 200, secret({}, {}), 'ERR_NOT_FOUND'],
    ['null as data', 200, { ...secret({}), data: null }, 'ERR_NOT_FOUND'],
  ])(
    '%s gives its error code, and no text of the answer is kept',
    async (_what, status, body, code) => {
      answer(status, body);
      const error = await failure(read());
      expect(error).toMatchObject({ name: 'BrokerError', code });
      expect(printed(error)).not.toContain(CANARY);
      expect(printed(error)).not.toContain(CANARY_BASE64);
    },
  );

  it.each([
    ['drop', drop, 'ERR_PROVIDER_UNAVAILABLE'],
    ['stall', stall, 'ERR_PROVIDER_TIMEOUT'],
    ['drip', drip, 'ERR_PROVIDER_TIMEOUT'],
    ['flood', flood, 'ERR_PROVIDER_MALFORMED'],
    ['gzip bomb', gzipBomb, 'ERR_PROVIDER_MALFORMED'],
  ])('ends a read that meets a %s', async (_what, fault, code) => {
    const limits = code === 'ERR_PROVIDER_TIMEOUT' ? { timeoutMs: 300 } : {};
    const hasty = await connectTo(fake, limits);
    fake.script('other', fault);
    const work = hasty.mount({ namespace: 'payments' }).read('payments/db', undefined, CONTEXT);
    expect(await failure(work)).toMatchObject({ code });
    await hasty.close();
  });

  it('follows no redirect', async () => {
    answer(302, '', { location: `${fake.address}/api/v1/namespaces/kube-system/secrets/x` });
    expect(await failure(read())).toMatchObject({ code: 'ERR_PROVIDER_FAILED' });
    expect(fake.requests).toHaveLength(1);
  });

  it('lists names without values, and leaves out anchors', async () => {
    answer(200, {
      kind: 'PartialObjectMetadataList',
      metadata: { continue: 'more' },
      items: [{ metadata: { name: 'a' } }, { metadata: { name: '../b' } }],
    });
    const page = await provider.list('', { limit: 7, after: 'token' }, CONTEXT);
    expect(page).toEqual({ items: [{ name: 'a' }], next: 'more' });
    const query = Object.fromEntries(fake.requests[0]?.url.searchParams ?? []);
    expect(query).toEqual({
      limit: '7',
      continue: 'token',
      labelSelector: '!quaymaster.dev/credential',
    });
  });

  it('refuses a list that contains the objects themselves', async () => {
    answer(200, { kind: 'SecretList', metadata: {}, items: [secret({}, { key: CANARY_BASE64 })] });
    const error = await failure(provider.list('', { limit: 7 }, CONTEXT));
    expect(error).toMatchObject({ code: 'ERR_PROVIDER_MALFORMED' });
    expect(printed(error)).not.toContain(CANARY_BASE64);
  });

  it('reports an expired cursor', async () => {
    answer(410, {});
    const error = await failure(provider.list('', { limit: 7, after: 'old' }, CONTEXT));
    expect(error).toMatchObject({ code: 'ERR_REQUEST_INVALID' });
  });

  it('repeats a throttled read after its Retry-After', async () => {
    const patient = await connectTo(fake, { maxRetries: 1 });
    const mount = patient.mount({ namespace: 'payments' });
    answer(200, secret({}));
    for (let call = 0; call < 10; call++) await mount.read('payments/db', undefined, CONTEXT);
    let refused = 0;
    fake.script('other', (_request, response) => {
      refused += 1;
      response.writeHead(refused === 1 ? 429 : 200, { 'retry-after': '0' });
      response.end(JSON.stringify(secret({})));
    });
    expect(await mount.read('payments/db', undefined, CONTEXT)).toMatchObject({
      data: { key: 'v' },
    });
    await patient.close();
  });

  describe('that issues tokens', () => {
    const request = (over: Partial<CredentialRequest> = {}): CredentialRequest => ({
      intentId: vectors.begun.intentId,
      locator: provider.locate('x', vectors.begun.ref),
      workload: { cluster: 'c', namespace: 'n', serviceAccount: 's', serviceAccountUid: 'u' },
      ttlSeconds: vectors.begun.ttlSeconds,
      ref: vectors.begun.ref,
      ...over,
    });
    const anchor = (over: object = {}) => ({
      kind: 'Secret',
      type: 'quaymaster.dev/anchor',
      metadata: { name: 'quaymaster-crd-0a1b2c', uid: vectors.prepared.uid },
      ...over,
    });
    const issue = () => provider.credentials!.issue(vectors.prepared.handle, CONTEXT);
    /** Reads find the anchor; everything else is answered with `status`. */
    const answerWithAnchor = (status: number, headers: Record<string, string> = {}) =>
      fake.script('other', ({ method }, response) => {
        const [code, body] = method === 'GET' ? [200, anchor()] : [status, {}];
        response.writeHead(code, { 'content-type': 'application/json', ...headers });
        response.end(JSON.stringify(body));
      });

    it('has handles equal to the frozen ones', async () => {
      expect(provider.credentials!.begin(request())).toBe(vectors.begun.handle);
      answer(201, anchor());
      expect(await provider.credentials!.prepare(vectors.begun.handle, CONTEXT)).toBe(
        vectors.prepared.handle,
      );
    });

    it('prepares without a call, and the same handle each time', () => {
      expect(provider.credentials!.begin(request())).toBe(provider.credentials!.begin(request()));
      expect(fake.requests).toHaveLength(0);
    });

    it('prepares nothing if place and reference disagree', () => {
      const other = { ...vectors.begun.ref, serviceAccount: 'other' };
      expect(() => provider.credentials!.begin(request({ ref: other }))).toThrow(
        expect.objectContaining({ code: 'ERR_INTERNAL' }),
      );
      expect(() => provider.credentials!.begin(request({ locator: 'payments/db' }))).toThrow(
        expect.objectContaining({ code: 'ERR_INTERNAL' }),
      );
    });

    it.each([
      { type: 'Opaque' },
      { kind: 'Pod' },
      { metadata: { name: 'other', uid: 'u' } },
      { metadata: { name: 'quaymaster-crd-0a1b2c' } },
    ])('does not accept an anchor that differs by %j', async (over) => {
      answer(201, anchor(over));
      expect(
        await failure(provider.credentials!.prepare(vectors.begun.handle, CONTEXT)),
      ).toMatchObject({ code: 'ERR_PROVIDER_MALFORMED' });
    });

    it('requests exactly what the handle says, bound to the anchor', async () => {
      answer(201, {
        status: {
          token: CANARY,
          expirationTimestamp: new Date(Date.now() + 600_000).toISOString(),
        },
      });
      const issued = await issue();
      expect(issued).toMatchObject({
        data: { token: CANARY },
        ttlSeconds: 300,
        renewable: false,
        handle: vectors.prepared.handle,
      });
      expect(fake.requests[0]).toMatchObject({
        method: 'POST',
        url: { pathname: '/api/v1/namespaces/payments/serviceaccounts/deployer/token' },
      });
      expect(JSON.parse(fake.requests[0]?.body ?? '')).toMatchObject({
        spec: {
          audiences: ['https://registry.example'],
          expirationSeconds: 600,
          boundObjectRef: {
            kind: 'Secret',
            name: 'quaymaster-crd-0a1b2c',
            uid: vectors.prepared.uid,
          },
        },
      });
    });

    it.each([
      {},
      { token: CANARY },
      { token: CANARY, expirationTimestamp: 'soon' },
      { token: CANARY, expirationTimestamp: '2001-01-01T00:00:00Z' },
      { token: '', expirationTimestamp: '2999-01-01T00:00:00Z' },
      { token: 5, expirationTimestamp: '2999-01-01T00:00:00Z' },
    ])('does not accept the token %j', async (status) => {
      answer(201, { status });
      const error = await failure(issue());
      expect(error).toMatchObject({ code: 'ERR_PROVIDER_MALFORMED' });
      expect(printed(error)).not.toContain(CANARY);
    });

    it('treats a token with a longer life as one of the requested life', async () => {
      answer(201, { status: { token: CANARY, expirationTimestamp: '2999-01-01T00:00:00Z' } });
      expect((await issue()).ttlSeconds).toBe(300);
    });

    it('calls once for a call with an effect, however many retries are left', async () => {
      const patient = await connectTo(fake, { maxRetries: 2 });
      const mount = patient.mount({ namespace: 'payments' });
      answer(200, secret({}));
      for (let call = 0; call < 20; call++) await mount.read('payments/db', undefined, CONTEXT);
      fake.requests.length = 0;
      answerWithAnchor(503, { 'retry-after': '0' });
      await failure(mount.credentials!.issue(vectors.prepared.handle, CONTEXT));
      await failure(mount.credentials!.revoke(vectors.prepared.handle, CONTEXT));
      expect(fake.requests.map(({ method }) => method)).toEqual(['POST', 'GET', 'DELETE']);
      await patient.close();
    });

    it.each<[number, string]>([
      [404, 'gone'],
      [409, 'gone'],
      [403, 'ERR_PROVIDER_DENIED'],
      [500, 'ERR_PROVIDER_FAILED'],
      [503, 'ERR_PROVIDER_UNAVAILABLE'],
    ])('treats %i for its deletion as: %s', async (status, outcome) => {
      answerWithAnchor(status);
      const work = provider.credentials!.revoke(vectors.prepared.handle, CONTEXT).then(
        () => 'gone',
        (error: unknown) => (error as { code: string }).code,
      );
      expect(await work).toBe(outcome);
      expect(JSON.parse(fake.requests[1]?.body ?? '')).toEqual({
        preconditions: { uid: vectors.prepared.uid },
      });
    });

    it('deletes by the UID alone if it may not read the anchor', async () => {
      fake.script('other', ({ method }, response) => {
        response.writeHead(method === 'GET' ? 403 : 200, { 'content-type': 'application/json' });
        response.end('{}');
      });
      await provider.credentials!.revoke(vectors.prepared.handle, CONTEXT);
      expect(fake.requests.map(({ method }) => method)).toEqual(['GET', 'DELETE']);
      expect(JSON.parse(fake.requests[1]?.body ?? '')).toEqual({
        preconditions: { uid: vectors.prepared.uid },
      });
    });
  });
});
