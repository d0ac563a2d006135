import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { until } from '../kit/backends/until.ts';
import { logInPod, podCluster } from '../kit/broker/pod-cluster.ts';
import { PreparedBroker } from '../kit/broker/prepared-broker.ts';
import { FakeApiServer } from '../kit/fakes/fake-api-server.ts';
import { drop, type ServerFault } from '../kit/fakes/server-faults.ts';

const IMAGE = `registry.test/prod/web@sha256:${'a'.repeat(64)}`;
const ACCOUNT = { namespace: 'prod', serviceAccount: 'api' };

let kube: FakeApiServer;
let broker: PreparedBroker;

beforeAll(async () => {
  kube = await FakeApiServer.start();
  kube.createAccount(ACCOUNT.namespace, ACCOUNT.serviceAccount);
  const { connections, documents } = podCluster(kube, ACCOUNT);
  broker = await PreparedBroker.start({
    config: () => ({ connections }),
    documents: {
      ...documents,
      '/posture-profiles/production': {
        mode: 'enforce',
        match: { podLabels: { tier: 'one' }, secretPaths: ['own/**'] },
        image: { registries: ['registry.test/prod/**'] },
      },
    },
    secrets: { 'own/db': { password: 'v' } },
  });
});
afterAll(async () => {
  await (broker as PreparedBroker | undefined)?.remove();
  await kube.close();
});

async function logIn(name: string, image: string, labels: Record<string, string>) {
  const spec = { containers: [{ name: 'web', image }] };
  const pod = kube.pods.create({ ...ACCOUNT, name, labels, spec });
  return { uid: pod.metadata.uid, token: await logInPod(broker, kube, pod) };
}

function away(fault: ServerFault | undefined): void {
  for (const operation of ['list', 'watch', 'pod'] as const) kube.script(operation, fault);
}

const statuses = (tokens: readonly string[]): Promise<readonly number[]> =>
  Promise.all(tokens.map(async (token) => (await broker.read(token, 'own/db')).status));

it('judges pods by what it saved if it starts while the API server is unreachable, and by nothing that was changed', async () => {
  const fit = await logIn('fit', IMAGE, { tier: 'one' });
  const free = await logIn('free', 'elsewhere.test/web', {});
  const unfit = await logIn('unfit', 'elsewhere.test/web', { tier: 'one' });
  const tokens = [fit, free, unfit].map(({ token }) => token);
  await until(
    'the watch knows them',
    async () => (await statuses(tokens)).join() === '200,200,403',
  );
  const directory = broker.installation.file('keys/checkpoint.pods');
  let path = '';
  let saved = '';
  await until('the pods are saved', async () => {
    const names = await readdir(directory).catch(() => []);
    path = join(directory, names.find((name) => name.endsWith('.jsonl')) ?? 'none');
    saved = await readFile(path, 'utf8').catch(() => '');
    return [fit, free, unfit].every((pod) => saved.includes(pod.uid));
  });
  await broker.installation.stop();
  away(drop);
  await broker.installation.start();
  expect(await statuses(tokens)).toEqual([200, 200, 403]);

  await broker.installation.stop();
  await writeFile(path, saved.replace('"tier":"one"', '"tier":"two"'));
  await broker.installation.start();
  expect(await statuses(tokens)).toEqual([503, 503, 503]);
  away(undefined);
  await until('the watch is live', async () => (await statuses(tokens)).join() === '200,200,403');
});
