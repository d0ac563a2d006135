import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import connectNodeVault from 'node-vault';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from '../kit/backends/until.ts';
import { vaultConnection } from '../kit/broker/prepared-broker.ts';
import { FakeVault } from '../kit/fakes/fake-vault.ts';
import { policy, RunningApi } from '../kit/api/running-api.ts';
import { vaultCall, type VaultAnswer, type VaultCall } from '../kit/api/vault-call.ts';
import { storedEntries } from '../kit/store/store-diff.ts';

const MOUNTS = {
  secret: { engine: 'kv-v2', prefix: 'app' },
  old: { engine: 'kv-v1', prefix: 'app/one' },
  few: { engine: 'kv-v2', prefix: 'few' },
  below: { engine: 'kv-v2', prefix: 'few/below' },
  all: { engine: 'kv-v2' },
  issued: { engine: 'database', prefix: 'db' },
  database: { engine: 'database', prefix: 'app/accounts' },
};

let directory: string;
let backend: FakeVault;
let api: RunningApi;
let session: string;

function call(method: string, path: string, options: VaultCall = {}): Promise<VaultAnswer> {
  return vaultCall(api.vaultPort, method, path, { token: session, ...options });
}

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'qm-vault-'));
  backend = await FakeVault.start();
  await writeFile(join(directory, 'vault.token'), 's.broker\n', { mode: 0o600 });
  api = await RunningApi.start({
    connections: { vault: vaultConnection(directory, backend.address) },
    vaultApi: { mounts: MOUNTS, auth: { kubernetes: { cluster: 'c1' } } },
  });
  await api.seed(['read', 'list', 'write']);
  const dynamic = { engine: 'dynamic', path: 'db', root: 'creds', tokenRole: 'creds' };
  await api.put('mounts/db', { prefix: 'db', connection: 'vault', options: dynamic });
  await api.put('definitions/db/app', { class: 'dynamic', leaseTtl: '10m' });
  await api.put('policies/db', policy('db', ['db/**'], ['read']));
  session = await api.logIn();
});

afterAll(async () => {
  await api.stop();
  await backend.close();
  await rm(directory, { recursive: true });
});

describe('writes', () => {
  it('writes versions of KV version 2 with check-and-set', async () => {
    const first = await call('POST', 'secret/data/w', {
      body: { data: { a: '1' }, options: { cas: 0 } },
    });
    expect([first.status, first.body.data.version]).toEqual([200, 1]);
    const stale = await call('PUT', 'secret/data/w', {
      body: { data: { a: '2' }, options: { cas: 0 } },
    });
    expect([stale.status, stale.body.errors]).toEqual([
      400,
      ['check-and-set parameter did not match the current version'],
    ]);
    const second = await call('PUT', 'secret/data/w', {
      body: { data: { a: '2' }, options: { cas: 1 } },
    });
    expect(second.body.data.version).toBe(2);
    expect((await call('GET', 'secret/data/w?version=1')).body.data.data).toEqual({ a: '1' });
    const entries = await storedEntries(api.broker.parts.store);
    const entry = entries.find(({ requestId }) => requestId === second.headers.get('x-request-id'));
    expect(entry).toMatchObject({ action: 'secret.write', client: { face: 'vault' } });
  });

  it('changes single keys, for a body of the type of a merge patch only', async () => {
    await call('POST', 'secret/data/p', { body: { data: { a: '1', b: '2' } } });
    const body = { data: { a: null, c: '3' } };
    expect((await call('PATCH', 'secret/data/p', { body })).status).toBe(415);
    const headers = { 'Content-Type': 'application/merge-patch+json' };
    expect((await call('PATCH', 'secret/data/p', { body, headers })).body.data.version).toBe(2);
    expect((await call('GET', 'secret/data/p')).body.data.data).toEqual({ b: '2', c: '3' });
  });

  it('deletes, restores and destroys versions', async () => {
    await call('POST', 'secret/data/d', { body: { data: { a: '1' } } });
    await call('POST', 'secret/data/d', { body: { data: { a: '2' } } });
    const old = await call('POST', 'secret/delete/d', { body: { versions: [1] } });
    expect([old.status, old.body.errors[0]]).toEqual([
      400,
      expect.stringContaining('must name the current version'),
    ]);
    const current = { body: { versions: ['2'] } };
    expect((await call('POST', 'secret/delete/d', current)).status).toBe(204);
    expect((await call('GET', 'secret/data/d')).status).toBe(404);
    expect((await call('PUT', 'secret/undelete/d', { body: { versions: [2] } })).status).toBe(204);
    expect((await call('GET', 'secret/data/d')).body.data.data).toEqual({ a: '2' });
    expect((await call('PUT', 'secret/destroy/d', { body: { versions: [1] } })).status).toBe(204);
    const { body } = await call('GET', 'secret/metadata/d');
    expect(body.data.versions['1'].destroyed).toBe(true);
    expect((await call('DELETE', 'secret/data/d')).status).toBe(204);
    expect((await call('DELETE', 'secret/metadata/d')).status).toBe(204);
    expect((await call('GET', 'secret/metadata/d')).status).toBe(404);
  });

  it('deletes and restores a secret by several versions, numbers or texts', async () => {
    for (const a of ['1', '2', '3'])
      await call('POST', 'secret/data/many', { body: { data: { a } } });
    const named = { body: { versions: ['1', 3] } };
    expect((await call('PUT', 'secret/delete/many', named)).status).toBe(204);
    for (const query of ['', '?version=1', '?version=2'])
      expect((await call('GET', `secret/data/many${query}`)).status).toBe(404);
    const older = await call('PUT', 'secret/undelete/many', { body: { versions: [1, '2'] } });
    expect([older.status, older.body.errors[0]]).toEqual([
      400,
      expect.stringContaining('version 3 is then current; name it too'),
    ]);
    expect((await call('GET', 'secret/data/many')).status).toBe(404);
    expect((await call('PUT', 'secret/undelete/many', named)).status).toBe(204);
    expect((await call('GET', 'secret/data/many')).body.data).toMatchObject({
      data: { a: '3' },
      metadata: { version: 3 },
    });
    expect((await call('GET', 'secret/data/many?version=2')).body.data.data).toEqual({ a: '2' });
    expect(
      (await call('PUT', 'secret/destroy/many', { body: { versions: ['1', 2] } })).status,
    ).toBe(204);
    expect((await call('GET', 'secret/data/many?version=2')).status).toBe(404);
    expect((await call('GET', 'secret/data/many')).status).toBe(200);
  });

  it('answers the removal of what is absent like any other, and still removes the rest', async () => {
    const named = { body: { versions: [1, 2, '9'] } };
    for (const [method, path, sent] of [
      ['DELETE', 'secret/data/absent', {}],
      ['DELETE', 'secret/metadata/absent', {}],
      ['POST', 'secret/delete/absent', named],
      ['POST', 'secret/destroy/absent', named],
      ['DELETE', 'old/absent', {}],
    ] as const)
      expect([path, (await call(method, path, sent)).status]).toEqual([path, 204]);
    expect((await call('POST', 'secret/undelete/absent', named)).status).toBe(404);
    for (const a of ['1', '2', '3'])
      await call('POST', 'secret/data/rest', { body: { data: { a } } });
    await call('POST', 'secret/destroy/rest', { body: { versions: [1] } });
    expect((await call('POST', 'secret/destroy/rest', named)).status).toBe(204);
    const { versions } = (await call('GET', 'secret/metadata/rest')).body.data;
    expect([versions['1'].destroyed, versions['2'].destroyed, versions['3'].destroyed]).toEqual([
      true,
      true,
      false,
    ]);
    const token = await api.logIn({ namespace: 'strangers' });
    expect((await call('DELETE', 'secret/data/absent', { token })).status).toBe(403);
  });

  it('writes and deletes secrets of KV version 1', async () => {
    expect((await call('PUT', 'old/x', { body: { k: 'v' } })).status).toBe(204);
    expect((await call('GET', 'old/x')).body.data).toEqual({ k: 'v' });
    expect((await call('DELETE', 'old/x')).status).toBe(204);
    expect(await call('GET', 'old/x')).toMatchObject({ status: 404, body: { errors: [] } });
  });

  it('accepts settings of a secret that hold, and refuses all others with the way to change them', async () => {
    await call('POST', 'secret/data/set', { body: { data: { a: '1' } } });
    const patch = { headers: { 'Content-Type': 'application/merge-patch+json' } };
    const held = [
      undefined,
      {},
      { max_versions: 0, cas_required: false, delete_version_after: '0s', custom_metadata: {} },
      { max_versions: 10, custom_metadata: null, delete_version_after: '0s0ns' },
      { delete_version_after: 0 },
      { delete_version_after: '' },
    ];
    for (const body of held) {
      const sent = body === undefined ? {} : { body };
      expect((await call('POST', 'secret/metadata/set', sent)).status).toBe(204);
      if (body !== undefined)
        expect((await call('PATCH', 'secret/metadata/set', { body, ...patch })).status).toBe(204);
    }
    const removed = { body: { custom_metadata: { gone: null } }, ...patch };
    expect((await call('PATCH', 'secret/metadata/set', removed)).status).toBe(204);
    for (const [body, way] of [
      [{ max_versions: 5 }, '"max_versions" is 10 for all secrets of the mount'],
      [{ cas_required: true }, 'quaymaster put --if-version'],
      [{ delete_version_after: '3h' }, 'options.keepVersions'],
      [{ delete_version_after: '0s1ns' }, 'options.keepVersions'],
      [{ metadata_cas_required: true }, 'metadata_cas'],
      [{ other: 1 }, 'other'],
    ] as const) {
      for (const [method, more] of [
        ['POST', {}],
        ['PATCH', patch],
      ] as const) {
        const refused = await call(method, 'secret/metadata/set', { body, ...more });
        expect([refused.status, String(refused.body.errors)]).toEqual([
          400,
          expect.stringContaining(way),
        ]);
      }
    }
    const { body } = await call('GET', 'secret/metadata/set');
    expect(body.data).toMatchObject({ current_version: 1, custom_metadata: null });
    expect((await call('POST', 'secret/metadata/none', { body: {} })).status).toBe(204);
    expect((await call('PATCH', 'secret/metadata/none', { body: {}, ...patch })).status).toBe(404);
    expect((await call('GET', 'secret/metadata/none')).status).toBe(404);
  });

  it('shows how many versions a mount keeps, and changes it for an admin as its document', async () => {
    await api.put('mounts/few', {
      prefix: 'few',
      connection: 'embedded',
      options: { keepVersions: 3 },
    });
    await api.put('policies/few', policy('few', ['few/**'], ['read', 'write']));
    const most = async (mount: string): Promise<unknown> => {
      const { status, body } = await call('GET', `${mount}/config`);
      return status === 200 ? body.data.max_versions : [status, body.errors[0]];
    };
    expect([await most('secret'), await most('few')]).toEqual([10, 3]);
    expect(await most('all')).toEqual([400, expect.stringContaining('quaymaster mount ls')]);
    const stranger = await api.logIn({ namespace: 'strangers' });
    expect((await call('GET', 'few/config', { token: stranger })).status).toBe(403);

    const scoped = await api.operator('few-editor', [{ role: 'secret-editor', scope: ['few'] }]);
    for (const token of [session, scoped]) {
      const refused = await call('POST', 'few/config', { token, body: { max_versions: 5 } });
      expect(refused.status).toBe(403);
    }
    const change = async (mount: string, body: object): Promise<readonly unknown[]> => {
      const changed = await call('POST', `${mount}/config`, { token: api.admin, body });
      return [changed.status, changed.status === 204 ? '' : String(changed.body.errors)];
    };
    expect(
      await change('few', { max_versions: 5, cas_required: false, metadata_cas_required: false }),
    ).toEqual([204, '']);
    expect(await most('few')).toBe(5);
    const read = await api.call('GET', '/api/v1/mounts/few', { token: api.admin });
    expect(read.body.document).toMatchObject({ prefix: 'few', options: { keepVersions: 5 } });
    expect(await change('few', {})).toEqual([204, '']);
    expect(await change('few', { max_versions: 0, delete_version_after: '0s' })).toEqual([204, '']);
    expect(await most('few')).toBe(10);
    expect(await change('few', { max_versions: 1_000 })).toEqual([400, expect.any(String)]);
    expect(await change('few', { cas_required: true })).toEqual([
      400,
      expect.stringContaining('cannot be true'),
    ]);
    expect(await change('below', { max_versions: 5 })).toEqual([
      400,
      expect.stringContaining('mount "few" of Quaymaster has paths outside this one'),
    ]);
    const entries = await storedEntries(api.broker.parts.store);
    expect(entries).toContainEqual(
      expect.objectContaining({
        action: 'document.write',
        outcome: 'ok',
        document: expect.objectContaining({ kind: 'mount', name: 'few', version: 2 }),
        client: expect.objectContaining({ face: 'vault' }),
      }),
    );
  });

  it('names the place of a value that is not a text, without the value', async () => {
    const answered = await call('POST', 'secret/data/n', {
      body: { data: { a: { b: 'hidden' } } },
    });
    expect(answered.status).toBe(400);
    expect(JSON.stringify(answered.body)).toContain('/data/a');
    expect(JSON.stringify(answered.body)).not.toContain('hidden');
  });

  it('refuses a caller without the capability before it reads the body', async () => {
    const token = await api.logIn({ namespace: 'strangers' });
    for (const [method, path] of [
      ['POST', 'secret/data/w'],
      ['DELETE', 'secret/data/w'],
      ['PUT', 'secret/destroy/w'],
      ['DELETE', 'secret/metadata/w'],
      ['PUT', 'secret/metadata/w'],
      ['PUT', 'old/x'],
    ] as const) {
      const answered = await call(method, path, {
        token,
        ...(method !== 'DELETE' && { body: '{' }),
      });
      expect([answered.status, answered.body]).toEqual([403, { errors: ['permission denied'] }]);
    }
    expect((await call('GET', 'secret/data/w')).status).toBe(200);
  });
});

describe('node-vault', () => {
  it('logs in, writes, reads, lists and ends its session', async () => {
    const endpoint = `http://127.0.0.1:${api.vaultPort}`;
    const client = connectNodeVault({ apiVersion: 'v1', endpoint });
    const jwt = api.serviceAccountToken();
    await client.kubernetesLogin({ mount_point: 'kubernetes', role: 'web', jwt });
    await client.write('secret/data/node/a', { data: { k: 'v' } });
    const read = (await client.read('secret/data/node/a')) as { data: { data: unknown } };
    expect(read.data.data).toEqual({ k: 'v' });
    const listed = (await client.list('secret/metadata/node')) as { data: { keys: unknown } };
    expect(listed.data.keys).toEqual(['a']);
    await client.delete('secret/metadata/node/a');
    await expect(client.read('secret/data/node/a')).rejects.toMatchObject({
      response: { statusCode: 404 },
    });
    await client.tokenRevokeSelf();
    await expect(client.read('secret/data/node/a')).rejects.toMatchObject({
      response: { statusCode: 403 },
    });
  });
});

describe('leases and schedules', () => {
  it('shows when a value rotates, beside it', async () => {
    await api.put('definitions/app/accounts/db', {
      rotation: {
        strategy: 'generated',
        options: { keys: { password: { length: 24 } } },
        schedule: { every: '30d' },
      },
    });
    const written = { body: { data: { user: 'u', password: 'p' } } };
    expect((await call('POST', 'secret/data/accounts/db', written)).status).toBe(200);
    const kv = await call('GET', 'secret/data/accounts/db');
    expect(kv.body.data.rotation_period).toBe(30 * 86_400);
    expect(kv.body.data.ttl).toBeGreaterThan(0);
    const { body } = await call('GET', 'database/static-creds/db');
    expect(body.data).toMatchObject({ user: 'u', password: 'p', rotation_period: 30 * 86_400 });
    expect(Date.parse(body.data.last_vault_rotation)).toBeLessThanOrEqual(Date.now());
    expect((await call('GET', 'secret/data/w')).body.data).not.toHaveProperty('ttl');
  });

  it.each([
    ['published', 'canary', { canary: { share: 50, soak: '1h' } }, 10],
    ['settled', 'settle', {}, 60],
  ])(
    'lets readers poll until a rotation that is due once a year is %s',
    async (_end, reached, more, seconds) => {
      const path = `accounts/${reached}`;
      const written = { body: { data: { user: 'u', password: 'p' } } };
      expect((await call('POST', `secret/data/${path}`, written)).status).toBe(200);
      await api.put(`definitions/app/${path}`, {
        rotation: {
          strategy: 'generated',
          options: { keys: { password: { length: 24 } } },
          schedule: { cron: '0 0 1 1 *' },
          ...more,
        },
      });
      const ttls = async (): Promise<readonly number[]> => [
        Number((await call('GET', `secret/data/${path}`)).body.data.ttl),
        Number((await call('GET', `database/static-creds/${reached}`)).body.data.ttl),
      ];
      expect((await ttls()).every((ttl) => ttl > 60)).toBe(true);
      const run = { token: api.admin, body: {} };
      await api.call('POST', `/api/v1/rotations/app/${path}:run`, run);
      await until(`the rotation is at ${reached}`, async () => {
        const history = `/api/v1/rotation-history/app/${path}`;
        const { body } = await api.call('GET', history, { token: api.admin });
        const [newest] = body.items as readonly {
          readonly step: string;
          readonly canary?: object;
        }[];
        return newest?.step === reached || (reached === 'canary' && newest?.canary !== undefined);
      });
      expect(await ttls()).toEqual([seconds, seconds]);
    },
  );

  it('renews, looks up and ends own leases only (L08, N02)', async () => {
    const other = await api.logIn({ pod: { name: 'p-2', uid: 'uid-2' } });
    const read = await api.call('GET', '/api/v1/secrets/app/w', { token: session });
    const id = `database/creds/w/${read.body.lease.id}`;
    const looked = await call('PUT', 'sys/leases/lookup', { body: { lease_id: id } });
    expect(looked.body.data).toMatchObject({ id, path: 'app/w', renewable: true });
    const renewed = await call('POST', 'sys/leases/renew', {
      body: { lease_id: id, increment: '3600' },
    });
    expect(renewed.body).toMatchObject({ lease_id: id, renewable: true, data: null });
    expect(renewed.body.lease_duration).toBeGreaterThan(0);
    const body = { lease_id: id };
    for (const path of ['sys/leases/renew', 'sys/leases/lookup']) {
      const answered = await call('PUT', path, { token: other, body });
      expect([answered.status, answered.body]).toEqual([400, { errors: ['lease not found'] }]);
    }
    expect((await call('PUT', 'sys/leases/revoke', { token: other, body })).status).toBe(204);
    expect((await call('PUT', 'sys/leases/lookup', { body })).status).toBe(200);
    expect((await call('PUT', `sys/leases/revoke/${id}`, { body: { sync: true } })).status).toBe(
      204,
    );
    expect((await call('PUT', 'sys/leases/lookup', { body })).status).toBe(400);
  });

  it('lists and ends by prefix the leases of the own session only (L06, N02)', async () => {
    const own = await api.logIn({ pod: { name: 'p-4', uid: 'uid-4' } });
    const other = await api.logIn({ pod: { name: 'p-5', uid: 'uid-5' } });
    const issued = async (token: string): Promise<string> =>
      (await call('GET', 'issued/creds/app', { token })).body.lease_id as string;
    const keys = async (token: string, prefix: string): Promise<unknown> => {
      const { status, body } = await call('GET', `sys/leases/lookup${prefix}?list=true`, { token });
      return status === 200 ? body.data.keys : status;
    };
    const last = (id: string): string => id.slice(id.lastIndexOf('/') + 1);
    const [one, two, theirs] = [await issued(own), await issued(own), await issued(other)];
    await call('GET', 'secret/data/w', { token: own });
    expect(await keys(own, '')).toEqual(['issued/']);
    expect(await keys(own, '/issued/creds/')).toEqual(['app/']);
    expect(await keys(own, '/issued/creds/app')).toEqual([last(one), last(two)].sort());
    expect(await keys(own, '/issued/creds/ap')).toBe(404);
    expect(await keys(own, '/database/creds/w')).toBe(404);
    expect(await keys(other, '/issued/creds/app')).toEqual([last(theirs)]);

    const end = async (token: string, prefix: string): Promise<number> =>
      (await call('PUT', `sys/leases/revoke-prefix/${prefix}`, { token, body: { sync: true } }))
        .status;
    expect(await end(other, one)).toBe(204);
    expect(await end(other, 'issued/creds/ap')).toBe(204);
    expect(await end(own, theirs)).toBe(204);
    expect(await keys(own, '/issued/creds/app')).toEqual([last(one), last(two)].sort());
    expect(await keys(other, '/issued/creds/app')).toEqual([last(theirs)]);
    expect(await end(own, one)).toBe(204);
    expect(await keys(own, '/issued/creds/app')).toEqual([last(two)]);
    expect(await end(own, 'issued/')).toBe(204);
    expect(await keys(own, '')).toBe(404);
    expect(await keys(other, '')).toEqual(['issued/']);
    expect((await call('GET', 'secret/data/w', { token: own })).status).toBe(200);
    const forced = await call('PUT', 'sys/leases/revoke-force/issued', { token: own, body: {} });
    expect([forced.status, forced.body.errors[0]]).toEqual([
      405,
      expect.stringContaining('quaymaster revocation ls'),
    ]);
    const entries = await storedEntries(api.broker.parts.store);
    const ended = entries.filter(
      ({ action, cause, client }) =>
        action === 'lease.revoke' && cause === 'released' && client?.['face'] === 'vault',
    );
    expect(ended.map(({ lease }) => lease)).toEqual(expect.arrayContaining([last(one), last(two)]));
  });

  it('lists and ends leases of all sessions for a responder, within the role', async () => {
    const own = await api.logIn({ pod: { name: 'p-6', uid: 'uid-6' } });
    const id = (await call('GET', 'issued/creds/app', { token: own })).body.lease_id as string;
    const lookup = 'sys/leases/lookup/issued/creds/app?list=true';
    const scoped = await api.operator('scoped', [{ role: 'responder', scope: ['app'] }]);
    for (const [method, path] of [
      ['GET', lookup],
      ['PUT', 'sys/leases/revoke-prefix/issued/creds/app'],
      ['PUT', `sys/leases/revoke/${id}`],
    ] as const) {
      const body = method === 'PUT' ? { body: {} } : {};
      expect((await call(method, path, { token: scoped, ...body })).status).toBe(403);
    }
    const listed = await call('GET', lookup, { token: api.admin });
    expect(listed.body.data.keys).toContain(id.slice('issued/creds/app/'.length));
    const whole = await call('PUT', 'sys/leases/revoke-prefix/issued', {
      token: api.admin,
      body: {},
    });
    expect([whole.status, whole.body.errors[0]]).toEqual([
      400,
      expect.stringContaining('quaymaster lease revoke'),
    ]);
    const ended = await call('PUT', 'sys/leases/revoke-prefix/issued/creds/app', {
      token: api.admin,
      body: {},
    });
    expect(ended.status).toBe(204);
    const body = { lease_id: id };
    expect((await call('PUT', 'sys/leases/renew', { token: own, body })).status).toBe(400);
    const next = (await call('GET', 'issued/creds/app', { token: own })).body.lease_id as string;
    expect(
      (await call('PUT', `sys/leases/revoke/${next}`, { token: api.admin, body: {} })).status,
    ).toBe(204);
    expect(
      (await call('PUT', 'sys/leases/renew', { token: own, body: { lease_id: next } })).status,
    ).toBe(400);
  });

  it('issues a credential for each request, under a lease that ends with it', async () => {
    const first = await call('GET', 'issued/creds/app');
    expect(first.status).toBe(200);
    expect(first.body).toMatchObject({
      lease_id: expect.stringMatching(/^issued\/creds\/app\/lea_/),
      renewable: true,
      data: { username: expect.any(String), password: expect.any(String) },
    });
    expect(first.body.lease_duration).toBeGreaterThan(0);
    expect(first.body.lease_duration).toBeLessThanOrEqual(600);
    const second = await call('GET', 'issued/creds/app');
    expect(second.body.lease_id).not.toBe(first.body.lease_id);
    const body = { lease_id: first.body.lease_id as string };
    expect((await call('PUT', 'sys/leases/renew', { body })).status).toBe(200);
    const other = await api.logIn({ pod: { name: 'p-3', uid: 'uid-3' } });
    expect((await call('PUT', 'sys/leases/revoke', { token: other, body })).status).toBe(204);
    expect((await call('PUT', 'sys/leases/renew', { body })).status).toBe(200);
    expect((await call('PUT', 'auth/token/revoke-self')).status).toBe(204);
    await until('the credentials are revoked', () => Promise.resolve(backend.leases.size === 0));
    session = await api.logIn();
  });

  it('refuses operators that ask for a credential', async () => {
    const answered = await call('GET', 'database/creds/w', { token: api.admin });
    expect(answered.status).toBe(403);
  });
});
