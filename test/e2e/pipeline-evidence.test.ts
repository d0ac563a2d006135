import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { until } from '../kit/backends/until.ts';
import { CommandLine } from '../kit/cli/command-line.ts';
import { FakeApiServer } from '../kit/fakes/fake-api-server.ts';
import { ImageSigner } from '../kit/images/image-signer.ts';
import type { OidcIssuer } from '../kit/identity/oidc-issuer.ts';
import { RunningApi } from '../kit/api/running-api.ts';
import {
  PIPELINE_CLIENT,
  pipelineCluster,
  startPipelineIssuer,
  useJob,
} from '../kit/identity/pipeline-issuer.ts';
import { podToken, watchCluster } from '../kit/cluster/readers.ts';
import { trivyReport } from '../kit/images/scanner-reports.ts';

const DIGEST = `sha256:${'c'.repeat(64)}`;
const IMAGE = `registry.test/shop/web@${DIGEST}`;
const SIGNER = new ImageSigner();

/** Binding of docs/evidence.md. */
const BINDING = `apiVersion: quaymaster.dev/v1
kind: RoleBinding
metadata: { name: shop-pipeline }
spec:
  workloads:
    - { clusters: [ci], identities: [acme/shop/production] }
  grants:
    - { role: evidence-writer, scope: [registry.test/shop] }
`;

let issuer: OidcIssuer;
let kube: FakeApiServer;
let api: RunningApi;
let admin: CommandLine;
let pipeline: CommandLine;

beforeAll(async () => {
  issuer = await startPipelineIssuer();
  useJob(issuer, 'acme/shop', 'production');
  kube = await FakeApiServer.start();
  kube.createAccount('prod', 'api');
  const connection = { type: 'jwks', issuerUrl: issuer.url, caFile: issuer.caFile };
  api = await RunningApi.start({ connections: { kube: kube.access, issuer: connection } });
  await api.seed();
  await watchCluster({ api, kube });
  await api.put('clusters/ci', pipelineCluster(issuer));
  await api.put('posture-profiles/gate', {
    mode: 'enforce',
    match: { secretPaths: ['app/**'] },
    vulnerabilities: { deny: ['CRITICAL'] },
    image: {
      signatures: [
        { images: ['registry.test/**'], authorities: [{ name: 'ci', key: SIGNER.pem }] },
      ],
    },
  });
  admin = await CommandLine.make();
  const token = await admin.write('token', api.admin);
  await admin.ok('login', '--url', api.url, '--token-file', token);
  pipeline = await CommandLine.make();
});
afterAll(async () => {
  await admin.remove();
  await pipeline.remove();
  await api.stop();
  await kube.close();
  await issuer.close();
});

const CLEAN = ['--covers', 'vulnerabilities'];

it('a pipeline with the ID token of its job pushes a report and a signature, and the pod gets its secret', async () => {
  const pod = await podToken({ api, kube }, { name: 'web-0', image: IMAGE, labels: {} });
  const read = (): Promise<number> =>
    api.call('GET', '/api/v1/secrets/app/db', { token: pod }).then(({ status }) => status);
  await until('the pod is known and waits', async () => (await read()) === 403);

  const idToken = await issuer.idToken(PIPELINE_CLIENT);
  const job = await pipeline.write('token.jwt', idToken);
  const Metadata = { RepoDigests: [IMAGE] };
  const CreatedAt = new Date().toISOString();
  const report = await pipeline.write(
    'trivy.json',
    JSON.stringify(trivyReport({ CreatedAt, Metadata }, [])),
  );
  const bundle = await pipeline.write('bundle.json', JSON.stringify(SIGNER.bundle(DIGEST)));
  await pipeline.ok('login', '--url', api.url, '--cluster', 'ci', '--token-file', job);

  const early = await pipeline.run('evidence', 'push', report, ...CLEAN);
  expect(early.code).toBe(3);
  expect(early.err).toContain(
    'ERR_DENIED: no role binding gives ci://ci/acme/shop/production the role evidence-writer; ask an admin for one that names it under "workloads"',
  );

  const binding = await admin.write('binding.yaml', BINDING);
  await admin.ok('apply', '-f', binding, '--yes');
  expect(await admin.ok('role-binding', 'ls')).toContain('ci://ci/acme/shop/production');
  expect(await pipeline.ok('evidence', 'push', report, ...CLEAN)).toMatch(
    /^stored evi_.*, for images of registry\.test\/shop only$/m,
  );
  expect(await pipeline.ok('attestation', 'push', bundle)).toContain('accepted by ci');
  await until('the pod reads its secret', async () => (await read()) === 200);

  const [stored] = (await admin.json('evidence', 'ls')).items as { readonly id: string }[];
  expect(await admin.ok('evidence', 'show', stored!.id)).toMatch(
    /written by\s+ci:\/\/ci\/acme\/shop\/production\n[\s\S]*counts for\s+registry\.test\/shop\n/,
  );
  const log = await admin.ok('audit', 'search', '--action', 'evidence.write');
  expect(log).toContain('ci://ci/acme/shop/production');

  expect((await pipeline.run('evidence', 'ls')).code).toBe(3);
  await pipeline.ok('logout');
  expect((await pipeline.run('evidence', 'push', report, ...CLEAN)).code).not.toBe(0);
  expect(pipeline.traces).not.toContain(idToken);
});
