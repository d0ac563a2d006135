import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { issueCredential } from '../../../../src/broker/credentials/issue-credential.ts';
import { readSecret, readSecrets } from '../../../../src/broker/secrets/read-secrets.ts';
import { createOperatorToken } from '../../../../src/broker/sessions/operator-tokens.ts';
import type { LiveOperator } from '../../../../src/broker/state/operator-token-memory.ts';
import type { LiveSession } from '../../../../src/broker/state/session-memory.ts';
import { codeOf, mount, policy, TestBroker } from '../../../kit/broker/test-broker.ts';
import { everyConnection, type EveryConnection } from '../../../kit/providers/every-connection.ts';
import { records } from '../../../kit/store/hooked-store.ts';

const SCOPES = ['kv2', 'kv1', 'creds', 'aws', 'iam', 'kube', 'kv', 'dyn'].map((prefix) => {
  return `${prefix}/team-a`;
});

let broker: TestBroker;
let opened: EveryConnection;
let admin: LiveOperator;
let editor: LiveOperator;
let workload: LiveSession;

beforeAll(async () => {
  opened = await everyConnection();
  broker = await TestBroker.open({}, { connections: opened.providers, targets: opened.targets });
  admin = await broker.seed();
  const mounts: readonly [prefix: string, connection: string, options: object][] = [
    ['kv1', 'vault', { engine: 'kv-v1', path: 'kv1' }],
    ['kv2', 'vault', { engine: 'kv-v2', path: 'secret' }],
    ['creds', 'vault', { engine: 'dynamic', path: 'db', root: 'creds', tokenRole: 'r' }],
    ['aws', 'aws', { namePrefix: 'prod/' }],
    ['iam', 'iam', { account: '123456789012' }],
    ['kube', 'kube', { namespace: 'payments' }],
  ];
  for (const [prefix, connection, options] of mounts) {
    await broker.put(admin, 'mount', prefix, { prefix, connection, options });
  }
  editor = await broker.operator('ed', [{ role: 'secret-editor', scope: SCOPES }]);
  workload = await broker.logIn();
  broker.backend.secrets.set('kv/team-b/db', { data: { password: 'team-b' }, version: '1' });
});
afterAll(async () => {
  await broker.close();
  await opened.close();
});

const save = (by: LiveOperator, path: string, body: object): Promise<string> =>
  codeOf(broker.put(by, 'definition', path, body));
const found = (path: string) => broker.parts.catalog.find('definition', path);
const parsed = (text: string): object => JSON.parse(text) as object;

/** Other spellings of a place, which a parser, a server or a proxy might take for another one. */
const SPELLINGS: readonly [mount: string, ref: unknown][] = [
  ['kv2', { path: 'secret/data/team-a/../team-b/db' }],
  ['kv2', { path: 'secret/data/team-a/%2e%2e/team-b/db' }],
  ['kv2', { path: 'secret/data/team-a%2f..%2fteam-b/db' }],
  ['kv2', { path: 'secret/data/team-a%252fdb' }],
  ['kv2', { path: 'secret/data/team-a\\..\\team-b\\db' }],
  ['kv2', { path: 'secret/data/team-a//db' }],
  ['kv2', { path: '/secret/data/team-a/db' }],
  ['kv2', { path: 'secret/data/team-a/db/' }],
  ['kv2', { path: 'secret/data/TEAM-A/db' }],
  ['kv2', { path: 'secret/data/team-\u0430/db' }],
  ['kv2', { path: 'secret/data/\uFF54eam-a/db' }],
  ['kv2', { path: 'secret/data/team-a\u200B/db' }],
  ['kv2', { path: 'secret/data/team-a\u0000/db' }],
  ['kv2', { path: 'secret/data/team-a\uD800/db' }],
  ['kv2', { path: 'secret/data/team-a/db?version=1' }],
  ['kv2', { path: 'secret/data/team-b/db#/../../team-a/db' }],
  ['kv2', { path: 'secret/subkeys/team-a/db' }],
  ['kv2', { path: 'secret/data' }],
  ['kv2', { path: 'sys/raw/core/keyring' }],
  ['kv2', { path: ['secret/data/team-a/db'] }],
  ['kv2', { path: 'secret/data/team-b/db', root: 'team-a' }],
  ['kv2', parsed('{"__proto__":{"path":"secret/data/team-a/db"},"path":"secret/data/team-b/db"}')],
  ['kv2', [{ path: 'secret/data/team-a/db' }]],
  ['kv2', 'secret/data/team-a/db'],
  ['kv1', { path: 'kv1/team-a/../team-b' }],
  ['kv1', { path: 'kv1/team-a/db', version: '1' }],
  ['creds', { path: 'db/creds/team-a/../admin' }],
  ['creds', { path: 'db/static-creds/team-a' }],
  ['creds', { path: 'db/config/team-a' }],
  ['creds', { path: 'db/creds/admin', method: 'POST', data: { role: 'team-a' } }],
  ['creds', { path: 'db/creds/team-a', method: 'DELETE' }],
  [
    'aws',
    { name: 'arn:aws:secretsmanager:eu-central-1:123456789012:secret:prod/team-b/db-AbCdEf' },
  ],
  ['aws', { name: 'prod/team-a/../team-b/db' }],
  ['aws', { name: 'team-a/db' }],
  ['aws', { name: 'prod/team-a ' }],
  ['aws', { name: 'prod/prod/team-a/db' }],
  ['iam', { role: 'team-a/../admin' }],
  ['iam', { role: 'arn:aws:iam::123456789012:role/admin' }],
  ['iam', { role: 'Team-A' }],
  ['kube', { name: 'team-a.other' }],
  ['kube', { name: 'team-a/../production' }],
  ['kube', { name: '../kube-system/secrets/team-a' }],
  ['kube', { name: 'team-a', namespace: 'kube-system' }],
  ['kube', { name: 'team-a', serviceAccount: 'admin' }],
];

describe('another spelling of a ref by a scoped secret-editor', () => {
  it.each(SPELLINGS)('is refused (%s %j) (ED01)', async (prefix, ref) => {
    const path = `${prefix}/team-a/alias`;
    for (const more of [{}, { class: 'dynamic' }, { rotation: { strategy: 'generated' } }]) {
      expect(await save(editor, path, { ref, ...more })).toMatch(
        /^ERR_(BODY_INVALID|UNKNOWN_FIELD)$/,
      );
      expect(found(path)).toBeUndefined();
    }
  });
});

describe('an editor with several scoped grants', () => {
  const ref = { path: 'secret/data/team-b/db' };
  const path = 'kv2/team-a/alias';

  it.each<[string, readonly object[]]>([
    [
      'other roles without a scope',
      ['secret-reader', 'policy-editor', 'rotator', 'auditor', 'responder']
        .map((role): object => ({ role }))
        .concat({ role: 'secret-editor', scope: ['kv2/team-a'] }),
    ],
    [
      'scopes beside the place',
      [{ role: 'secret-editor', scope: ['kv2/team-a', 'kv2/team-b/dc'] }],
    ],
    [
      'a scope of the same name at another mount',
      [{ role: 'secret-editor', scope: ['kv2/team-a', 'kv1/team-b', 'aws/team-b'] }],
    ],
    [
      'a scope with the name of the backend’s place',
      [{ role: 'secret-editor', scope: ['kv2/team-a', 'secret/data/team-b', 'kv2/secret/data'] }],
    ],
    [
      'a scope that the place only begins with',
      [{ role: 'secret-editor', scope: ['kv2/team-a', 'kv2/team'] }],
    ],
    [
      'a reader’s grant on the place',
      [
        { role: 'secret-editor', scope: ['kv2/team-a'] },
        { role: 'secret-reader', scope: ['kv2/team-b'] },
      ],
    ],
  ])('is refused with %s', async (what, grants) => {
    const by = await broker.operator(`many-${what.length}`, grants);
    expect(await save(by, path, { ref })).toBe('ERR_BODY_INVALID');
    expect(found(path)).toBeUndefined();
  });

  it('is refused with a scoped token of an unscoped editor', async () => {
    await broker.operator('free', [{ role: 'admin' }, { role: 'secret-editor' }]);
    const minter = (await broker.parts.tokens.find(
      broker.operatorTokens.get('free')!,
      broker.parts.catalog,
    ))!;
    const grants = [{ role: 'secret-editor', scope: ['kv2/team-a'] }];
    const { token } = await createOperatorToken(broker.parts, broker.call(), minter, {
      operator: 'free',
      body: { grants },
    });
    const narrow = (await broker.parts.tokens.find(token, broker.parts.catalog))!;
    expect(await save(narrow, path, { ref })).toBe('ERR_BODY_INVALID');
    expect(await save(minter, path, { ref })).toBe('no error');
    await broker.remove(admin, 'definition', path);
  });

  it('names both places with a scope for each', async () => {
    const scope = ['kv2/team-a', 'kv2/team-b'];
    const by = await broker.operator('both', [{ role: 'secret-editor', scope }]);
    expect(await save(by, path, { ref })).toBe('no error');
    await broker.remove(admin, 'definition', path);
  });
});

describe('an alias of an alias', () => {
  it('names the place at the backend, and does not follow the other alias (ED01)', async () => {
    const { backend } = broker;
    expect(await save(admin, 'kv/team-a/shared', { ref: { at: 'kv/team-b/db' } })).toBe('no error');
    for (const [from, to] of [
      ['second', 'shared'],
      ['third', 'second'],
    ]) {
      expect(await save(editor, `kv/team-a/${from}`, { ref: { at: `kv/team-a/${to}` } })).toBe(
        'no error',
      );
      const read = readSecret(broker.parts, broker.call(), workload, { path: `kv/team-a/${from}` });
      expect(await codeOf(read)).toBe('ERR_NOT_FOUND');
      expect(backend.calls.at(-1)).toBe(`read:kv/team-a/${to}`);
    }
    for (const name of ['shared', 'second', 'third']) {
      await broker.remove(admin, 'definition', `kv/team-a/${name}`);
    }
  });
});

describe('a place that an unscoped editor chose', () => {
  const ref = { at: 'kv/team-b/db' };
  const path = 'kv/team-a/kept';

  it.each<[string, object]>([
    ['another class', { ref, class: 'dynamic' }],
    ['a rotation', { ref, rotation: { strategy: 'generated' } }],
    ['one more field in the ref', { ref: { ...ref, more: 1 } }],
    ['the same text in another case', { ref: { at: 'KV/TEAM-B/DB' } }],
  ])('is not kept with %s', async (_what, body) => {
    expect(await save(admin, path, { ref })).toBe('no error');
    expect(await save(editor, path, body)).toBe('ERR_BODY_INVALID');
    await broker.remove(admin, 'definition', path);
  });

  it('is not kept when it is removed before the commit of the scoped editor', async () => {
    expect(await save(admin, path, { ref })).toBe('no error');
    broker.store.once(records('document.write'), () => broker.remove(admin, 'definition', path));
    expect(await save(editor, path, { ref, leaseTtl: '5m' })).toMatch(/^ERR_/);
    expect(found(path)).toBeUndefined();
  });

  it('is not kept when it is corrected before the commit of the scoped editor (ED01)', async () => {
    expect(await save(admin, path, { ref })).toBe('no error');
    broker.store.once(records('document.write'), () => broker.put(admin, 'definition', path, {}));
    expect(await save(editor, path, { ref, leaseTtl: '5m' })).toMatch(/^ERR_/);
    expect(found(path)?.body).toEqual({});
    expect(await save(editor, path, { ref })).toBe('ERR_BODY_INVALID');
    await broker.remove(admin, 'definition', path);
  });
});

describe('an editor whose scope is restricted while it saves an alias', () => {
  it('is decided by the narrower scope (ED01)', async () => {
    const grants = (scope: readonly string[]) => ({ grants: [{ role: 'secret-editor', scope }] });
    const wide = ['kv/team-a', 'kv/team-b'];
    const by = await broker.operator('racer', grants(wide).grants);
    broker.store.once(records('document.write'), () =>
      broker.put(admin, 'operator', 'racer', grants(['kv/team-a'])),
    );
    const body = { ref: { at: 'kv/team-b/db' } };
    expect(await save(by, 'kv/team-a/raced', body)).toBe('ERR_BODY_INVALID');
    expect(found('kv/team-a/raced')).toBeUndefined();
  });
});

describe('a definition that a scoped editor saves before its mount exists', () => {
  it('is refused, so that a later mount does not give its ref a meaning', async () => {
    const by = await broker.operator('early', [{ role: 'secret-editor', scope: ['other/team-a'] }]);
    const body = { ref: { at: 'other/team-b/db' } };
    expect(await save(by, 'other/team-a/x', body)).toBe('ERR_CONFLICT');
    await broker.put(admin, 'mount', 'other', mount('other'));
    expect(await save(by, 'other/team-a/x', body)).toBe('ERR_BODY_INVALID');
    expect(found('other/team-a/x')).toBeUndefined();
  });
});

describe('a place that policies deny', () => {
  it('is not reached through any document of a scoped editor (ED01)', async () => {
    await broker.put(admin, 'policy', 'deny-b', {
      ...policy('deny-b', ['kv/team-b/**', 'dyn/team-b/**'], { rule: { effect: 'deny' } }),
    });
    await save(editor, 'kv/team-a/alias', { ref: { at: 'kv/team-b/db' } });
    await save(editor, 'dyn/team-a/alias', { ref: { at: 'dyn/team-b/db' }, class: 'dynamic' });
    broker.backend.calls.length = 0;
    const { parts } = broker;
    const paths = ['kv/team-a/alias', 'kv/team-b/db'];
    for (const path of paths) {
      expect(await codeOf(readSecret(parts, broker.call(), workload, { path }))).toMatch(
        /^ERR_(DENIED|NOT_FOUND)$/,
      );
    }
    const batch = await readSecrets(
      parts,
      broker.call(),
      workload,
      paths.map((path) => ({ path })),
    );
    expect(JSON.stringify(batch)).not.toContain('team-b"');
    for (const path of ['dyn/team-a/alias', 'dyn/team-b/db']) {
      const order = { path, idempotencyKey: path };
      const issued = issueCredential({ parts, call: broker.call(), live: workload, order });
      expect(await codeOf(issued)).toMatch(/^ERR_(DENIED|NOT_FOUND|CONFLICT)$/);
    }
    expect(broker.backend.calls.filter((call) => call.includes('team-b'))).toEqual([]);
  });
});
