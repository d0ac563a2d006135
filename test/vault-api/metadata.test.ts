import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { RunningApi } from '../kit/api/running-api.ts';
import { vaultCall, type VaultAnswer, type VaultCall } from '../kit/api/vault-call.ts';
import { storedEntries } from '../kit/store/store-diff.ts';

const PATCH = { headers: { 'Content-Type': 'application/merge-patch+json' } };

let api: RunningApi;
let session: string;

function call(method: string, path: string, options: VaultCall = {}): Promise<VaultAnswer> {
  return vaultCall(api.vaultPort, method, path, { token: session, ...options });
}

async function custom(path: string): Promise<unknown> {
  const { status, body } = await call('GET', `secret/metadata/${path}`);
  return status === 200 ? body.data.custom_metadata : status;
}

beforeAll(async () => {
  api = await RunningApi.start({
    vaultApi: {
      mounts: { secret: { engine: 'kv-v2', prefix: 'app' } },
      auth: { kubernetes: { cluster: 'c1' } },
    },
  });
  await api.seed(['read', 'list', 'write']);
  session = await api.logIn();
});

afterAll(() => api.stop());

describe('custom metadata of KV version 2', () => {
  it('is shown with the metadata, with each version, and with the answer of a write', async () => {
    await call('POST', 'secret/data/a', { body: { data: { k: '1' } } });
    const owned = { owner: 'pay', tier: '1' };
    const body = { custom_metadata: { owner: 'pay', tier: 1 } };
    expect((await call('PUT', 'secret/metadata/a', { body })).status).toBe(204);
    const metadata = await call('GET', 'secret/metadata/a');
    expect(metadata.body.data).toMatchObject({
      custom_metadata: owned,
      current_metadata_version: 1,
      metadata_cas_required: false,
      current_version: 1,
    });
    const written = await call('POST', 'secret/data/a', { body: { data: { k: '2' } } });
    expect(written.body.data).toMatchObject({ version: 2, custom_metadata: owned });
    for (const query of ['', '?version=1']) {
      const { body: read } = await call('GET', `secret/data/a${query}`);
      expect(read.data.metadata.custom_metadata).toEqual(owned);
    }
    await call('DELETE', 'secret/data/a');
    const deleted = await call('GET', 'secret/data/a');
    expect([deleted.status, deleted.body.data.metadata.custom_metadata]).toEqual([404, owned]);
  });

  it('replaces all keys with PUT, and changes single keys with PATCH', async () => {
    await call('POST', 'secret/data/b', { body: { data: { k: '1' } } });
    await call('PUT', 'secret/metadata/b', { body: { custom_metadata: { one: '1', two: '2' } } });
    await call('PUT', 'secret/metadata/b', { body: { max_versions: 0 } });
    expect(await custom('b')).toEqual({ one: '1', two: '2' });
    const changes = { custom_metadata: { one: null, three: '3', absent: null } };
    expect((await call('PATCH', 'secret/metadata/b', { body: changes, ...PATCH })).status).toBe(
      204,
    );
    expect(await custom('b')).toEqual({ two: '2', three: '3' });
    await call('PUT', 'secret/metadata/b', { body: { custom_metadata: { four: '4' } } });
    expect(await custom('b')).toEqual({ four: '4' });
    await call('PUT', 'secret/metadata/b', { body: { custom_metadata: {} } });
    expect(await custom('b')).toBeNull();
  });

  it('compares metadata_cas with the version of the metadata', async () => {
    const put = async (cas: number, owner: string): Promise<unknown> => {
      const body = { custom_metadata: { owner }, metadata_cas: cas };
      const { status, body: answer } = await call('PUT', 'secret/metadata/cas', { body });
      return status === 204 ? status : [status, answer.errors[0]];
    };
    const conflict = [400, 'check-and-set parameter did not match the current version'];
    expect(await put(1, 'a')).toEqual(conflict);
    expect(await put(0, 'a')).toBe(204);
    expect(await put(0, 'b')).toEqual(conflict);
    expect(await put(1, 'b')).toBe(204);
    expect(await custom('cas')).toEqual({ owner: 'b' });
  });

  it('refuses what other servers refuse, and changes nothing then', async () => {
    await call('POST', 'secret/data/bad', { body: { data: { k: '1' } } });
    const many = Object.fromEntries(Array.from({ length: 65 }, (_, index) => [`k${index}`, 'v']));
    for (const entries of [
      { '': 'v' },
      { k: '' },
      { ['k'.repeat(129)]: 'v' },
      { ['ä'.repeat(65)]: 'v' },
      { k: 'v'.repeat(513) },
      { k: 'line\nbreak' },
      { k: { nested: 'v' } },
      many,
    ]) {
      const body = { custom_metadata: entries };
      expect((await call('PUT', 'secret/metadata/bad', { body })).status).toBe(400);
      expect((await call('PATCH', 'secret/metadata/bad', { body, ...PATCH })).status).toBe(400);
    }
    expect(await custom('bad')).toBeNull();
    const widest = Object.fromEntries(
      Array.from({ length: 64 }, (_, index) => [String(index).padEnd(128, 'k'), 'ä'.repeat(256)]),
    );
    expect(
      (await call('PUT', 'secret/metadata/bad', { body: { custom_metadata: widest } })).status,
    ).toBe(204);
    const one = { body: { custom_metadata: { more: '1' } }, ...PATCH };
    expect((await call('PATCH', 'secret/metadata/bad', one)).status).toBe(400);
    expect(await custom('bad')).toEqual(widest);
  });

  it('needs the right to write, and is shown to a writer only if it may list or read', async () => {
    await call('PUT', 'secret/metadata/rights', { body: { custom_metadata: { owner: 'pay' } } });
    const stranger = await api.logIn({ namespace: 'strangers' });
    const body = { custom_metadata: { owner: 'mallory' } };
    for (const [method, more] of [
      ['PUT', {}],
      ['PATCH', PATCH],
    ] as const)
      expect(
        (await call(method, 'secret/metadata/rights', { token: stranger, body, ...more })).status,
      ).toBe(403);
    const subjects = [{ clusters: ['c1'], namespaces: ['writers'], serviceAccounts: ['*'] }];
    const rules = [
      { name: 'rule-1', effect: 'allow', paths: ['app/rights'], capabilities: ['write'] },
    ];
    await api.put('policies/writers', {
      apiVersion: 'quaymaster.dev/v1',
      kind: 'AccessPolicy',
      metadata: { name: 'writers' },
      spec: { subjects, rules },
    });
    const writer = await api.logIn({ namespace: 'writers' });
    const written = await call('POST', 'secret/data/rights', {
      token: writer,
      body: { data: { k: 'v' } },
    });
    expect([written.status, written.body.data.custom_metadata]).toEqual([200, null]);
    expect((await call('GET', 'secret/metadata/rights', { token: writer })).status).toBe(403);
  });

  it('ends with the secret, also without any version', async () => {
    for (const path of ['gone', 'only'])
      await call('PUT', `secret/metadata/${path}`, { body: { custom_metadata: { k: 'v' } } });
    await call('POST', 'secret/data/gone', { body: { data: { k: '1' } } });
    const only = await call('GET', 'secret/metadata/only');
    expect(only.body.data).toMatchObject({ current_version: 0, versions: {} });
    for (const path of ['gone', 'only']) {
      expect((await call('DELETE', `secret/metadata/${path}`)).status).toBe(204);
      expect(await custom(path)).toBe(404);
    }
  });

  it('records each change, without texts', async () => {
    const body = { custom_metadata: { owner: 'text-of-mallory' } };
    const { headers } = await call('PUT', 'secret/metadata/logged', { body });
    const entries = await storedEntries(api.broker.parts.store);
    const entry = entries.find(({ requestId }) => requestId === headers.get('x-request-id'));
    expect(entry).toMatchObject({
      action: 'secret.describe',
      outcome: 'ok',
      path: 'app/logged',
      version: '1',
      count: 1,
      client: { face: 'vault' },
    });
    expect(JSON.stringify(entries)).not.toContain('text-of-mallory');
  });
});

/** The requests of PushSecret of the External Secrets Operator (providers/v1/vault/client_push.go), in their order. */
describe('PushSecret of the External Secrets Operator', () => {
  const label = { body: { custom_metadata: { 'managed-by': 'external-secrets' } } };

  async function push(path: string, data: object, cas?: number): Promise<string> {
    const read = await call('GET', `secret/data/${path}`);
    if (read.status === 200) {
      const { body } = await call('GET', `secret/metadata/${path}`);
      if (body.data.custom_metadata?.['managed-by'] !== 'external-secrets') return 'not managed';
    } else expect(read.status).toBe(404);
    expect((await call('PUT', `secret/metadata/${path}`, label)).status).toBe(204);
    const body = { data, ...(cas !== undefined && { options: { cas } }) };
    const written = await call('PUT', `secret/data/${path}`, { body });
    return written.status === 200 ? `version ${written.body.data.version}` : String(written.status);
  }

  it('creates a secret, changes it, and removes it', async () => {
    expect(await push('eso/a', { k: '1' }, 0)).toBe('version 1');
    const { current_version: version } = (await call('GET', 'secret/metadata/eso/a')).body.data;
    expect(await push('eso/a', { k: '2' }, version)).toBe('version 2');
    const { body } = await call('GET', 'secret/metadata/eso/a');
    expect(body.data.current_metadata_version).toBe(1);
    for (const path of ['secret/data/eso/a', 'secret/metadata/eso/a'])
      expect((await call('DELETE', path)).status).toBe(204);
    expect(await custom('eso/a')).toBe(404);
    expect(await push('eso/a', { k: '3' }, 0)).toBe('version 3');
  });

  it('leaves a secret alone that another one wrote', async () => {
    await call('POST', 'secret/data/eso/theirs', { body: { data: { k: '1' } } });
    expect(await push('eso/theirs', { k: '2' })).toBe('not managed');
    await call('PUT', 'secret/metadata/eso/theirs', { body: { custom_metadata: { owner: 'x' } } });
    expect(await push('eso/theirs', { k: '2' })).toBe('not managed');
    expect((await call('GET', 'secret/data/eso/theirs')).body.data.data).toEqual({ k: '1' });
  });
});
