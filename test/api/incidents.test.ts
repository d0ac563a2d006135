import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { until } from '../kit/backends/until.ts';
import { FakeApiServer } from '../kit/fakes/fake-api-server.ts';
import { RunningApi, type Answered } from '../kit/parts.ts';
import { holderOf, watchCluster, writeNew, type Holder } from '../kit/reading-pods.ts';

const since = '2020-01-01T00:00:00Z';

let kube: FakeApiServer;
let api: RunningApi;
let pods = 0;

beforeAll(async () => {
  kube = await FakeApiServer.start();
  for (const account of ['api', 'own-2', 'own-3', 'own-9']) kube.createAccount('prod', account);
  api = await RunningApi.start({ connections: { kube: kube.access } });
  await api.seed();
  await watchCluster({ api, kube }, ['*']);
  await writeNew(api, 'app/other');
});
afterAll(async () => {
  await api.stop();
  await kube.close();
});

function read(token: string, path = 'app/db'): Promise<Answered> {
  return api.call('GET', `/api/v1/secrets/${path}`, { token });
}

function open(body: object): Promise<Answered> {
  return api.call('POST', '/api/v1/incidents', { token: api.admin, body });
}

/** A pod with a session that has read a secret, known to the watch. */
function holder(serviceAccount = 'api', spec: object = {}): Promise<Holder> {
  pods += 1;
  const name = `web-${pods}`;
  const pod = kube.pods.create({ namespace: 'prod', name, serviceAccount, spec });
  return holderOf({ api, kube }, pod);
}

async function untilDone(place: string): Promise<Pages> {
  let shown: Answered | undefined;
  await until('the response is done', async () => {
    shown = await api.call('GET', place, { token: api.admin });
    return shown.body.alert?.state === 'done';
  });
  return shown?.body as Pages;
}

interface Pages {
  readonly secrets: { readonly path: string }[];
  readonly timeline: object[];
  readonly next?: string;
}

describe('an incident', () => {
  it('is read page by page: what was read by path, then the timeline', async () => {
    const { pod, token } = await holder();
    await read(token, 'app/other');
    const wish = { kind: 'pod', cluster: 'watched', uid: pod.metadata.uid, since, reason: 'INC-9' };
    const { alert } = (await open({ ...wish, rotate: false })).body;
    const place = `/api/v1/incidents/${alert.id}`;
    const whole = await untilDone(place);
    expect(whole.secrets.map(({ path }) => path)).toEqual(['app/db', 'app/other']);
    expect(whole.next).toBeUndefined();
    for (const limit of [1, 2, 3]) {
      const found: Pages = { secrets: [], timeline: [] };
      let next: string | undefined = '';
      while (next !== undefined) {
        const after = next === '' ? '' : `&after=${next}`;
        const query = `?limit=${limit}${after}`;
        const { body } = await api.call('GET', `${place}${query}`, { token: api.admin });
        const shown = body as Pages;
        expect(shown.secrets.length + shown.timeline.length).toBeLessThanOrEqual(limit);
        found.secrets.push(...shown.secrets);
        found.timeline.push(...shown.timeline);
        ({ next } = shown);
      }
      const { secrets, timeline } = whole;
      expect(found).toEqual({ secrets, timeline });
    }
    const other = await open({ ...wish, uid: 'gone' });
    const first = await api.call('GET', `${place}?limit=1`, { token: api.admin });
    const elsewhere = `/api/v1/incidents/${other.body.alert.id}?after=${first.body.next}`;
    const refused = await api.call('GET', elsewhere, { token: api.admin });
    expect([refused.status, refused.body.code]).toEqual([400, 'ERR_REQUEST_INVALID']);
  });

  it.each([
    ['a workload', 'b', { kind: 'workload', workload: 'k8s://watched/prod/own-2' }],
    ['an image', 'c', { kind: 'image', cluster: 'watched', digest: `sha256:${'c'.repeat(64)}` }],
  ])('cuts off %s', async (_what, digit, scope) => {
    const containers = [{ name: 'a', image: `registry.test/own@sha256:${digit.repeat(64)}` }];
    const { token } = await holder(digit === 'b' ? 'own-2' : 'own-3', { containers });
    const other = await holder('own-9');
    const opened = await open({ ...scope, since, reason: 'INC-10', rotate: false });
    expect(opened.body.alert.quarantines).toHaveLength(1);
    expect((await read(token)).status).toBe(401);
    expect((await read(other.token)).status).toBe(200);
  });
});
