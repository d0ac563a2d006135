import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { attestationId, Attestations } from '../../src/features/attestations/attestation-memory.ts';
import { until } from '../kit/backends/until.ts';
import { FakeApiServer } from '../kit/fakes/fake-api-server.ts';
import { ImageSigner } from '../kit/images/image-signer.ts';
import { RunningApi, type Answered } from '../kit/api/running-api.ts';
import { SigstoreInstance } from '../kit/images/sigstore-instance.ts';
import { storedEntries } from '../kit/store/store-diff.ts';
import { logInPod, watchCluster } from '../kit/cluster/readers.ts';

const PLACE = '/api/v1/attestations';
const ci = new ImageSigner();
const next = new ImageSigner();

let kube: FakeApiServer;
let api: RunningApi;
let writer: string;
let session: string;

/** The image that runs in the pod; each test of a push has an image of its own. */
const DIGEST = digestOf('a');

function digestOf(letter: string): string {
  return `sha256:${letter.repeat(64)}`;
}

beforeAll(async () => {
  kube = await FakeApiServer.start();
  kube.createAccount('prod', 'api');
  api = await RunningApi.start({
    connections: { kube: kube.access },
    // A push costs its processor time, which includes the start of a thread: on a busy machine, the burst of a caller.
    limits: { identityRate: { burst: 1_000_000 } },
  });
  await api.seed();
  await watchCluster({ api, kube });
  writer = await api.operator('ci', [{ role: 'evidence-writer' }]);
  const pod = kube.pods.create({
    namespace: 'prod',
    name: 'web',
    serviceAccount: 'api',
    spec: { containers: [{ name: 'web', image: `registry.test/prod/web@${DIGEST}` }] },
  });
  const answer = await logInPod({ api, kube }, pod);
  session = answer.body.token as string;
  await until('the pod is known', async () => (await read()).status === 200);
});
afterAll(async () => {
  await api.stop();
  await kube.close();
});

function read(): Promise<Answered> {
  return api.call('GET', '/api/v1/secrets/app/db', { token: session });
}

function push(attestation: unknown, digest?: string, token = writer): Promise<Answered> {
  return api.call('POST', PLACE, { token, body: { attestation, ...(digest && { digest }) } });
}

async function require(signer: ImageSigner, more: object = {}): Promise<void> {
  const path = '/api/v1/posture-profiles/signed';
  const { etag } = (await api.call('GET', path, { token: api.admin })).headers;
  const authorities = [{ name: 'team', key: signer.pem, ...more }];
  const image = { signatures: [{ images: ['registry.test/prod/**'], authorities }] };
  await api.call('PUT', path, {
    token: api.admin,
    body: { mode: 'enforce', match: { secretPaths: ['app/**'] }, image },
    headers: etag === undefined ? { 'If-None-Match': '*' } : { 'If-Match': etag },
  });
}

describe('a profile that needs a signature', () => {
  it('gives the secret from the push of a signature until its deletion or the end of its key (IS06)', async () => {
    await require(ci);
    const refused = await read();
    expect(refused).toMatchObject({ status: 403, body: { code: 'ERR_POSTURE_DENIED' } });
    expect(refused.body.detail).toContain('signed: signature_missing');

    const pushed = await push(ci.bundle(DIGEST));
    expect(pushed).toMatchObject({
      status: 201,
      body: {
        digest: DIGEST,
        type: 'signature',
        createdBy: 'ci',
        acceptedBy: [{ profile: 'signed', authority: 'team' }],
      },
    });
    expect((await read()).status).toBe(200);

    await require(next);
    expect((await read()).body.detail).toContain('signed: signer_not_trusted');
    await push(next.legacy(DIGEST));
    expect((await read()).status).toBe(200);

    await require(ci, { revokedAt: '2020-01-01' });
    expect((await read()).body.detail).toContain('signed: signer_not_trusted');
    await require(ci);
    expect((await read()).status).toBe(200);

    const place = `${PLACE}/${pushed.body.id as string}`;
    expect((await api.call('DELETE', place, { token: writer })).status).toBe(403);
    expect((await api.call('DELETE', `${place}?reason=INC-7`, { token: api.admin })).status).toBe(
      204,
    );
    expect((await read()).body.detail).toContain('signed: signer_not_trusted');
    const entries = await storedEntries(api.broker.parts.store);
    expect(entries.findLast(({ action }) => action === 'attestation.delete')).toMatchObject({
      outcome: 'ok',
      comment: 'INC-7',
      document: { kind: 'attestation', name: pushed.body.id },
      query: `digest=${DIGEST} type=signature`,
    });
  });

  it('is explained with the authority that matched', async () => {
    await require(ci);
    const { body } = await push(ci.bundle(DIGEST));
    const question = { cluster: 'watched', namespace: 'prod', pod: 'web' };
    const explained = await api.call('POST', '/api/v1/posture:explain', {
      token: api.admin,
      body: question,
    });
    expect(explained.body.items[0].profiles[0]).toMatchObject({
      met: true,
      trusted: [
        {
          container: 'web',
          digest: DIGEST,
          authority: 'team',
          signer: ci.keyId,
          type: 'signature',
          attestation: body.id,
        },
      ],
    });
  });

  it('accepts the signatures of its keyless identity only', async () => {
    const instance = await SigstoreInstance.start();
    const digest = digestOf('9');
    const identity = { issuer: 'https://issuer.test', subject: 'https://ci.test/acme/release' };
    const keyless = {
      trustRoot: 'own',
      identities: [{ ...identity, subject: 'https://ci.test/acme/*' }],
    };
    const image = {
      trustRoots: { own: instance.trustedRoot },
      signatures: [
        { images: ['registry.test/prod/**'], authorities: [{ name: 'release', keyless }] },
      ],
    };
    await api.put('posture-profiles/keyless', {
      mode: 'audit',
      match: { secretPaths: ['none/**'] },
      image,
    });
    const accepted = (answer: Answered): object[] => answer.body.acceptedBy as object[];
    const own = await push(await instance.sign(digest, identity));
    expect(accepted(own)).toEqual([{ profile: 'keyless', authority: 'release' }]);
    const other = { ...identity, subject: 'https://ci.test/evil/release' };
    expect(accepted(await push(await instance.sign(digest, other)))).toEqual([]);
    const foreign = await SigstoreInstance.start();
    expect(accepted(await push(await foreign.sign(digest, identity)))).toEqual([]);
  });

  it('is refused if its trust root is none', async () => {
    const keyless = {
      trustRoot: 'own',
      identities: [{ issuer: 'https://i.test', subject: 'a@acme.test' }],
    };
    const image = {
      trustRoots: {
        own: { mediaType: 'application/vnd.dev.sigstore.trustedroot+json;version=0.1' },
      },
      signatures: [{ images: ['**'], authorities: [{ name: 'x', keyless }] }],
    };
    const answer = await api.call('PUT', '/api/v1/posture-profiles/bad', {
      token: api.admin,
      body: { mode: 'enforce', image },
      headers: { 'If-None-Match': '*' },
    });
    expect(answer).toMatchObject({ status: 400, body: { code: 'ERR_BODY_INVALID' } });
    expect(answer.body.problems[0].pointer).toBe('/image/trustRoots/own');
  });
});

describe('a pushed attestation', () => {
  it('is stored once, listed by its image and shown as it was pushed', async () => {
    const digest = digestOf('c');
    const [signature, scan] = [ci.bundle(digest), ci.scan(digest, '2026-11-27T12:00:00Z')];
    const first = await push(signature);
    expect(await push(signature, digest)).toMatchObject({
      status: 200,
      body: { id: first.body.id },
    });
    const second = await push(scan);
    const list = await api.call('GET', `${PLACE}?digest=${digest}&limit=1`, { token: writer });
    const rest = await api.call(
      'GET',
      `${PLACE}?digest=${digest}&limit=1&after=${list.body.next as string}`,
      { token: writer },
    );
    const items = [...list.body.items, ...rest.body.items] as { id: string }[];
    expect(items.map(({ id }) => id).sort()).toEqual([first.body.id, second.body.id].sort());
    expect(rest.body.next).toBeUndefined();
    const shown = await api.call('GET', `${PLACE}/${second.body.id as string}`, { token: writer });
    expect(shown.body).toMatchObject({ scannedAt: '2026-11-27T12:00:00.000Z', attestation: scan });
  });

  it('survives a restart of the broker', async () => {
    const digest = digestOf('d');
    const { body } = await push(ci.bundle(digest));
    const { store, rows, attestations, attestationReader } = api.broker.parts;
    const again = new Attestations(store, rows, attestationReader);
    await again.load();
    expect(again.of(digest).map(({ id }) => id)).toEqual([body.id]);
    expect([again.count, again.bytes]).toEqual([attestations.count, attestations.bytes]);
  });

  it('needs the role evidence-writer, and gives no other right', async () => {
    const reader = await api.operator('rd', [{ role: 'secret-reader' }]);
    expect((await push(ci.bundle(digestOf('e')), undefined, reader)).status).toBe(403);
    for (const path of ['/api/v1/secrets/app/db', '/api/v1/policies', '/api/v1/audit/entries'])
      expect((await api.call('GET', path, { token: writer })).status).toBe(403);
  });

  it('is refused if it is not about the image that the caller names', async () => {
    const [one, two] = [digestOf('1'), digestOf('2')];
    const of = (answer: Answered) => answer.body.problems[0].pointer as string;
    expect(of(await push(ci.bundle(one), two))).toBe('/digest');
    expect(of(await push(ci.bundle([one, two])))).toBe('/digest');
    expect((await push(ci.bundle([one, two]), two)).body.digest).toBe(two);
  });

  it('is refused beyond the limits of its size and of its image (IS07)', async () => {
    const digest = digestOf('f');
    const large = ci.bundle(digest, 'https://sigstore.dev/cosign/sign/v1', {
      x: 'x'.repeat(65_536),
    });
    expect(await push(large)).toMatchObject({ status: 413, body: { code: 'ERR_BODY_TOO_LARGE' } });
    for (let count = 0; count < 25; count += 1)
      expect((await push(ci.bundle(digest, 'https://example.test/p', { count }))).status).toBe(201);
    const answer = await push(ci.bundle(digest));
    expect(answer).toMatchObject({ status: 409, body: { code: 'ERR_CONFLICT' } });
    expect(answer.body.detail).toContain('ci stored 25 about this image, and may store 25');
  });

  it('is refused at 9,000 attestations of all images, until one is deleted (IS07)', async () => {
    const { store, attestations } = api.broker.parts;
    const body = Buffer.from(JSON.stringify(ci.bundle(DIGEST)));
    const counted = () => [...attestations.each()].filter((each) => each.isRecognized).length;
    const missing = 9_000 - counted();
    const digests = Array.from(
      { length: missing },
      (_, at) => `sha256:${String(at).padStart(64, '0')}`,
    );
    for (let at = 0; at < missing; at += 500) {
      const some = digests.slice(at, at + 500);
      const writes = some.map((digest, n) => {
        const id = attestationId(digest, body);
        const put = attestations.rowOf({
          digest,
          id,
          body,
          createdAt: 1,
          createdBy: `ci-${n % 5}`,
          scope: [],
          isRecognized: true,
        });
        return { table: 'attestations', put } as const;
      });
      await store.commit({ writes, invalidates: some.map((digest) => `attestation:${digest}`) });
    }
    await until('all are in memory', () => Promise.resolve(counted() === 9_000));
    const digest = digestOf('7');
    const answer = await push(ci.bundle(digest));
    expect(answer).toMatchObject({ status: 409, body: { code: 'ERR_CONFLICT' } });
    expect(answer.body.detail).toContain('all writers may store 9000');
    const [oldest = ''] = digests;
    const place = `${PLACE}/${attestationId(oldest, body)}?reason=INC-7`;
    expect((await api.call('DELETE', place, { token: api.admin })).status).toBe(204);
    expect((await push(ci.bundle(digest))).status).toBe(201);
  });
});
