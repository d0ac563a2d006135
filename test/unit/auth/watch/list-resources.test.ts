import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { listResources } from '../../../../src/auth/watch/list-resources.ts';
import type { KubernetesApi } from '../../../../src/ports/kubernetes-api.ts';
import { systemClock } from '../../../../src/process/clock.ts';
import { connectKubernetes } from '../../../../src/providers/kubernetes/client/client.ts';
import { FakeApiServer } from '../../../kit/fakes/fake-api-server.ts';
import { answer } from '../../../kit/fakes/server-faults.ts';

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

const never = new AbortController().signal;
const list = async (valuesOfAnObject: number, objects = 200): Promise<readonly number[]> => {
  const limits: number[] = [];
  fake.script('list', (request, response) => {
    const { searchParams } = new URL(request.url ?? '', 'https://x');
    const limit = Number(searchParams.get('limit'));
    const from = Number(searchParams.get('continue') ?? 0);
    limits.push(limit);
    const end = Math.min(objects, from + limit);
    const items = Array.from({ length: end - from }, (_none, at) => ({
      name: from + at,
      many: Array.from({ length: valuesOfAnObject }, () => 0),
    }));
    const metadata = { resourceVersion: '7', ...(end < objects && { continue: String(end) }) };
    answer(200, { items, metadata })(request, response);
  });
  const names: unknown[] = [];
  const pods = { name: 'pods', path: ['api', 'v1', 'pods'], pageLimit: 250 };
  const take = (items: readonly unknown[]): void => {
    for (const item of items) names.push((item as { readonly name: number }).name);
  };
  expect(await listResources({ api, clock: systemClock }, pods, take, never)).toBe('7');
  expect(names).toEqual(Array.from({ length: objects }, (_none, at) => at));
  return limits;
};

it('reads smaller pages of objects that would exceed the bounds of an answer', async () => {
  expect(await list(10)).toEqual([250]);
  expect(await list(3_000)).toEqual([250, 63, 63, 63, 63]);
});

it('gives up if a single object exceeds them', async () => {
  await expect(list(300_000, 2)).rejects.toMatchObject({
    code: 'ERR_PROVIDER_MALFORMED',
    reason: 'too_many_values',
  });
});
