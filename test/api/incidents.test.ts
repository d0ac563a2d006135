import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { SystemActor } from '../../src/broker/recording/record.ts';
import { until } from '../kit/backends/until.ts';
import { FakeApiServer } from '../kit/fakes/fake-api-server.ts';
import { itemsOf, RunningApi, type Answered } from '../kit/api/running-api.ts';
import { holderOf, logInPod, watchCluster, writeNew, type Holder } from '../kit/cluster/readers.ts';

const since = '2020-01-01T00:00:00Z';

let kube: FakeApiServer;
let api: RunningApi;
let pods = 0;

beforeAll(async () => {
  kube = await FakeApiServer.start();
  for (const account of ['api', 'own-2', 'own-3', 'own-7', 'own-9'])
    kube.createAccount('prod', account);
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
  readonly scopes: readonly object[];
  readonly secrets: { readonly path: string }[];
  readonly timeline: { readonly entry: { readonly action: string; readonly alert?: string } }[];
  readonly next?: string;
}

/** Writes entries as a workload's leases make them, and waits until the log has them. */
async function writeRevocations(workload: string, count: number): Promise<void> {
  const { store, clock, digest } = api.broker.parts;
  const actor = new SystemActor({ clock, digest }, 'expiry');
  for (let written = 0; written < count; written += 100) {
    const event = { action: 'lease.revoke', outcome: 'ok', workload } as const;
    await store.commit({ entries: Array.from({ length: 100 }, () => actor.entry(event)) });
  }
  const query = `workload=${workload}&action=lease.revoke`;
  await until('the log has the entries', async () => (await countEntries(query)) === count);
}

async function countEntries(query: string): Promise<number> {
  let count = 0;
  for (let next: string | undefined = ''; next !== undefined;) {
    const after: string = next === '' ? '' : `&after=${next}`;
    const place = `/api/v1/audit/entries?limit=1000&${query}${after}`;
    const page = await api.call('GET', place, { token: api.admin });
    count += itemsOf(page).length;
    ({ next } = page.body as Pages);
  }
  return count;
}

describe('an incident', () => {
  it('names the pods that the broker knows, beside their UIDs, also after they are gone', async () => {
    const containers = [{ name: 'a', image: `registry.test/own@sha256:${'d'.repeat(64)}` }];
    const { pod } = await holder('api', { containers });
    const { name, namespace, uid } = pod.metadata;
    const ofPod = { kind: 'pod', subject: `watched/${uid}`, pod: { namespace, name } };
    const common = { cluster: 'watched', since, reason: 'INC-6', rotate: false };
    const digest = `sha256:${'d'.repeat(64)}`;
    for (const scope of [
      { kind: 'pod', uid },
      { kind: 'image', digest },
    ]) {
      const preview = await open({ ...common, ...scope, dryRun: true });
      expect(preview.body['scopes']).toEqual([ofPod]);
    }
    const { alert } = (await open({ ...common, kind: 'pod', uid })).body;
    kube.pods.remove(pod);
    const whole = await untilDone(`/api/v1/incidents/${alert.id}`);
    expect(whole.scopes).toEqual([ofPod]);
    const created = whole.timeline.filter(({ entry }) => entry.action === 'quarantine.create');
    const named = { cluster: 'watched', namespace, name, uid };
    expect(created).toMatchObject([{ entry: { pod: named } }]);
    expect(alert.about).toEqual({ kind: 'pod', name: `${namespace}/${name}`, scopes: 1 });
    const listed = await api.call('GET', '/api/v1/quarantines', { token: api.admin });
    const own = { subject: `watched/${uid}`, pod: { namespace, name } };
    expect(itemsOf(listed)).toContainEqual(expect.objectContaining(own));
    const unknown = await open({ ...common, kind: 'pod', uid: 'never-seen' });
    expect(unknown.body['scopes']).toEqual([{ kind: 'pod', subject: 'watched/never-seen' }]);
  });

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
      const found: Pick<Pages, 'secrets' | 'timeline'> = { secrets: [], timeline: [] };
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

  it('says that its timeline is not complete if the log has more entries, and a search has them all', async () => {
    const workload = 'k8s://watched/prod/own-8';
    const before = await open({
      kind: 'workload',
      workload: `${workload}0`,
      since,
      reason: 'INC-7',
    });
    const wish = { kind: 'workload', workload, since, reason: 'INC-8', rotate: false };
    const { alert } = (await open(wish)).body;
    const place = `/api/v1/incidents/${alert.id}`;
    await untilDone(`/api/v1/incidents/${before.body.alert.id}`);
    expect(await untilDone(place)).toMatchObject({ isComplete: true });
    await writeRevocations(workload, 5_100);
    const found: Pages['timeline'][number]['entry'][] = [];
    for (let next: string | undefined = ''; next !== undefined;) {
      const query: string = next === '' ? '?limit=1000' : `?limit=1000&after=${next}`;
      const { body } = await api.call('GET', `${place}${query}`, { token: api.admin });
      const shown = body as Pages & { readonly gaps: readonly object[] };
      expect(shown.gaps).toMatchObject([{ kind: 'events' }]);
      found.push(...shown.timeline.map(({ entry }) => entry));
      ({ next } = shown);
    }
    const actions = found.map(({ action }) => action);
    const ofResponse = ['incident.open', 'quarantine.create', 'alert.respond'];
    expect(actions.slice(0, 3)).toEqual(ofResponse);
    expect(actions.slice(3)).toEqual(Array.from({ length: 5_000 }, () => 'lease.revoke'));
    expect(found.filter((entry) => (entry.alert ?? alert.id) !== alert.id)).toEqual([]);
    expect(await countEntries(`workload=${workload}&action=lease.revoke`)).toBe(5_100);
  });

  it('names and rotates what the pod holds, although it read it before the time of the incident (RS16)', async () => {
    const { pod } = await holder();
    const later = new Date(api.broker.parts.clock.now() + 60_000).toISOString();
    const wish = { kind: 'pod', cluster: 'watched', uid: pod.metadata.uid, reason: 'INC-11' };
    const preview = await open({ ...wish, since: later, dryRun: true });
    expect(preview.body).toMatchObject({
      secrets: [{ path: 'app/db', held: true }],
      hidden: 0,
      isComplete: true,
    });
    const { alert } = (await open({ ...wish, since: later })).body;
    const done = await untilDone(`/api/v1/incidents/${alert.id}`);
    expect(done.secrets).toMatchObject([{ path: 'app/db', held: true, unrotated: 'not_rotating' }]);
  });

  it('covers a secret that the pod read long ago and released, and hides it only from a list since a later time (RS16)', async () => {
    const { pod, token } = await holder();
    const { id } = (await read(token, 'app/other')).body.lease;
    await api.call('DELETE', `/api/v1/leases/${id}`, { token });
    const uid = pod.metadata.uid;
    const since = new Date(api.broker.parts.clock.now() + 1_000).toISOString();
    const wish = { kind: 'pod', cluster: 'watched', uid, reason: 'INC-12' };
    await until('a second passes', () =>
      Promise.resolve(api.broker.parts.clock.now() > Date.parse(since)),
    );
    const { alert } = (await open({ ...wish, since })).body;
    const place = `/api/v1/incidents/${alert.id}`;
    const done = await untilDone(place);
    expect(done).toMatchObject({ secrets: [{ path: 'app/db' }], hidden: 1 });
    const all = await api.call('GET', `${place}?all=true`, { token: api.admin });
    expect(all.body).toMatchObject({
      secrets: [
        { path: 'app/db', unrotated: 'not_rotating' },
        { path: 'app/other', held: false, state: 'by_hand', unrotated: 'not_rotating' },
      ],
      hidden: 0,
    });
  });

  it('is not washed out by 21,000 reads of another secret (RS16)', async () => {
    const { pod, token } = await holder();
    const { uid } = pod.metadata;
    const { store } = api.broker.parts;
    await read(token, 'app/other');
    const [own] = (
      await api.broker.parts.audit.search({ pod: uid, path: 'app/other' }, { limit: 1 })
    ).items;
    // The entries of reads as the broker commits them, without their requests.
    const body = (own?.entry ?? '').replace(/^.*?"time"/, '{"time"');
    for (let written = 0; written < 21_000; written += 500)
      await store.commit({ entries: Array.from({ length: 500 }, () => body) });
    const wish = { kind: 'pod', cluster: 'watched', uid, since, reason: 'INC-13', dryRun: true };
    const { body: preview } = await open(wish);
    expect(preview).toMatchObject({ isComplete: true, unread: [] });
    expect((preview as Pages).secrets.map(({ path }) => path)).toEqual(['app/db', 'app/other']);
  });

  it('has a timeline that ends when its quarantine is lifted', async () => {
    const { pod } = await holder();
    const wish = {
      kind: 'pod',
      cluster: 'watched',
      uid: pod.metadata.uid,
      since,
      reason: 'INC-14',
    };
    const { alert } = (await open({ ...wish, rotate: false })).body;
    const place = `/api/v1/incidents/${alert.id}`;
    const before = await untilDone(place);
    const [quarantine] = alert.quarantines;
    await api.call('DELETE', `/api/v1/quarantines/${quarantine}?reason=over`, { token: api.admin });
    const again = (await logInPod({ api, kube }, pod)).body.token as string;
    expect((await read(again)).status).toBe(200);
    await api.call('POST', '/api/v1/leases:revoke', {
      token: api.admin,
      body: { workload: 'k8s://watched/prod/api' },
    });
    const { body } = await api.call('GET', place, { token: api.admin });
    const actions = (body as Pages).timeline.map(({ entry }) => entry.action);
    expect(actions).toEqual([
      ...before.timeline.map(({ entry }) => entry.action),
      'quarantine.lift',
    ]);
    expect(actions[0]).toBe('secret.read');
  });

  it('shows the pod then and now, the pods with the same image and account, and the checkpoint', async () => {
    const image = `registry.test/own@sha256:${'7'.repeat(64)}`;
    const spec = { containers: [{ name: 'a', image }] };
    const { pod } = await holder('own-7', spec);
    const twin = await holder('own-7', spec);
    const { uid } = pod.metadata;
    const wish = { kind: 'pod', cluster: 'watched', uid, since, reason: 'INC-15', rotate: false };
    const { alert } = (await open(wish)).body;
    await untilDone(`/api/v1/incidents/${alert.id}`);
    kube.pods.remove(pod);
    const watch = api.broker.parts.clusters.watch('watched');
    await until('the watch knows the end', () => Promise.resolve(watch?.find(uid) === undefined));
    const { body } = await api.call('GET', `/api/v1/incidents/${alert.id}`, { token: api.admin });
    const images = [{ container: 'a', image, digest: `sha256:${'7'.repeat(64)}` }];
    expect(body).toMatchObject({
      posture: {
        then: { state: 'running', images, ephemeral: [] },
        now: { state: 'ended', images },
      },
      neighbours: { image: { count: 1 }, account: { count: 1 } },
      checkpoint: expect.stringContaining('\n\n\u2014 '),
    });
    const [other] = (body as { neighbours: { image: { pods: { uid: string }[] } } }).neighbours
      .image.pods;
    expect(other?.uid).toBe(twin.pod.metadata.uid);
  });

  it('cuts off an operator, and names what its tokens read', async () => {
    const token = await api.operator('mallory', [{ role: 'secret-reader', scope: ['app'] }]);
    expect((await read(token)).status).toBe(200);
    const wish = { kind: 'operator', operator: 'mallory', since, reason: 'INC-17', rotate: false };
    const { alert } = (await open(wish)).body;
    expect(alert.about).toEqual({ kind: 'operator', name: 'mallory', scopes: 1 });
    expect((await read(token)).status).toBe(401);
    const whole = await untilDone(`/api/v1/incidents/${alert.id}`);
    expect(whole).toMatchObject({
      scopes: [{ kind: 'operator', subject: 'mallory' }],
      secrets: [{ path: 'app/db', lastIndex: expect.any(Number) }],
    });
  });

  it('cuts off the operator of a token, also of one that was revoked', async () => {
    const token = await api.operator('trudy', [{ role: 'secret-reader', scope: ['app'] }]);
    expect((await read(token)).status).toBe(200);
    const tokens = '/api/v1/operators/trudy/tokens';
    const { body } = await api.call('GET', tokens, { token: api.admin });
    const [{ id }] = (body as { items: [{ id: string }] }).items;
    const wish = { kind: 'token', token: id, since, reason: 'INC-19', rotate: false };
    const found = {
      scopes: [{ kind: 'operator', subject: 'trudy' }],
      secrets: [{ path: 'app/db' }],
    };
    expect((await open({ ...wish, dryRun: true })).body).toMatchObject(found);
    const revoked = await api.call('DELETE', `${tokens}/${id}`, { token: api.admin });
    expect(revoked.status).toBe(204);
    const { status, body: opened } = await open(wish);
    expect([status, opened]).toMatchObject([200, found]);
    const again = await api.call('POST', tokens, { token: api.admin, body: { ttl: '1h' } });
    expect((await read((again.body as { token: string }).token)).status).toBe(401);
    const unknown = { ...wish, token: 'tok_unknown' };
    expect(await open(unknown)).toMatchObject({ status: 404, body: { code: 'ERR_NOT_FOUND' } });
  });

  it('cuts off the pods on a node, and no other', async () => {
    const one = await holder('own-9', { nodeName: 'node-x' });
    const other = await holder('own-9', { nodeName: 'node-y' });
    const wish = { kind: 'node', cluster: 'watched', node: 'node-x', since, reason: 'INC-18' };
    const opened = await open({ ...wish, rotate: false });
    expect(opened.body.scopes).toMatchObject([{ subject: `watched/${one.pod.metadata.uid}` }]);
    expect(opened.body.alert.about).toEqual({ kind: 'node', name: 'node-x', scopes: 1 });
    expect((await read(one.token)).status).toBe(401);
    expect((await read(other.token)).status).toBe(200);
  });

  it('is the same one when it is opened again for a node or an image with several pods', async () => {
    const digest = `sha256:${'5'.repeat(64)}`;
    const containers = [{ name: 'a', image: `registry.test/own@${digest}` }];
    const spec = { nodeName: 'node-z', containers };
    const two = [await holder('own-9', spec), await holder('own-9', spec)];
    for (const scope of [
      { kind: 'node', node: 'node-z' },
      { kind: 'image', digest },
    ]) {
      const wish = { ...scope, cluster: 'watched', since, reason: 'INC-19', rotate: false };
      const first = await open(wish);
      await untilDone(`/api/v1/incidents/${first.body.alert.id}`);
      const again = await open(wish);
      expect(again.body.alert).toMatchObject({ id: first.body.alert.id, about: { scopes: 2 } });
    }
    for (const { token } of two) expect((await read(token)).status).toBe(401);
  });

  it('is opened by the name of a pod that ended lately (RS15)', async () => {
    const { pod } = await holder();
    const { namespace, name, uid } = pod.metadata;
    kube.pods.remove(pod);
    const watch = api.broker.parts.clusters.watch('watched');
    await until('the watch knows the end', () => Promise.resolve(watch?.find(uid) === undefined));
    const wish = { kind: 'pod', cluster: 'watched', namespace, name, since, reason: 'INC-16' };
    const { body } = await open({ ...wish, dryRun: true });
    expect(body).toMatchObject({
      scopes: [{ subject: `watched/${uid}` }],
      secrets: [{ path: 'app/db' }],
    });
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
    const name = 'workload' in scope ? scope.workload : scope.digest;
    expect(opened.body.alert.about).toEqual({ kind: scope.kind, name, scopes: 1 });
    expect((await read(token)).status).toBe(401);
    expect((await read(other.token)).status).toBe(200);
  });
});

describe('the secrets of an incident', () => {
  it('have the pods that a rotation left with the old value, and no rotation that a response that is over would start', async () => {
    await writeNew(api, 'app/rotates');
    const rotation = { strategy: 'generated', options: { keys: { password: {} } } };
    await api.put('definitions/app/rotates', { rotation });
    const [attacked, healthy, gone] = [await holder(), await holder(), await holder()];
    for (const { token } of [attacked, healthy, gone])
      expect((await read(token, 'app/rotates')).status).toBe(200);
    const { uid } = attacked.pod.metadata;
    const wish = { kind: 'pod', cluster: 'watched', uid, since, reason: 'INC-10' };
    const { alert } = (await open(wish)).body;
    const place = `/api/v1/incidents/${alert.id}`;
    await untilDone(place);
    const watch = api.broker.parts.clusters.watch('watched');
    kube.pods.remove(gone.pod);
    await until('the watch knows that the pod is gone', () =>
      Promise.resolve(watch?.find(gone.pod.metadata.uid)?.state !== 'running'),
    );
    const shown = async (path: string): Promise<object | undefined> =>
      ((await api.call('GET', place, { token: api.admin })).body as Pages).secrets.find(
        (secret) => secret.path === path,
      );
    await until('the rotation is done', async () => {
      return JSON.stringify(await shown('app/rotates')).includes('"state":"rotated"');
    });
    expect(await shown('app/rotates')).toMatchObject({ holders: { total: 1, updated: 0 } });
    expect((await read(healthy.token, 'app/rotates')).status).toBe(200);
    expect(await shown('app/rotates')).toMatchObject({ holders: { total: 1, updated: 1 } });

    const [quarantine] = alert.quarantines as string[];
    await api.call('DELETE', `/api/v1/quarantines/${quarantine}?reason=over`, { token: api.admin });
    const again = (await logInPod({ api, kube }, attacked.pod)).body.token as string;
    expect((await read(again, 'app/other')).status).toBe(200);
    await until('the incident has the read', async () => (await shown('app/other')) !== undefined);
    expect(await shown('app/other')).toMatchObject({ held: true, state: 'kept' });
  });
});
