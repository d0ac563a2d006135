import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { checkMount } from '../../../../src/broker/documents/check-mount.ts';
import { readSecret } from '../../../../src/broker/secrets/read-secrets.ts';
import type { LiveOperator } from '../../../../src/broker/state/operator-token-memory.ts';
import { BrokerError } from '../../../../src/domain/errors.ts';
import { codeOf, policy, TestBroker } from '../../../kit/broker/test-broker.ts';
import { everyConnection, type EveryConnection } from '../../../kit/providers/every-connection.ts';

const SETS = {
  creation: ['CREATE ROLE {{name}} LOGIN PASSWORD {{password}} VALID UNTIL {{expiration}}'],
};
const GRANT = { creation: ['GRANT SELECT ON app.* TO {{name}}'] };
const MOUNTS: readonly [name: string, connection: string, options: object][] = [
  ['kv1', 'vault', { engine: 'kv-v1', path: 'kv1' }],
  ['kv2', 'vault', { engine: 'kv-v2', path: 'secret' }],
  ['creds', 'vault', { engine: 'dynamic', path: 'db', root: 'creds', tokenRole: 'r' }],
  ['aws', 'aws', { namePrefix: '' }],
  ['iam', 'iam', { account: '123456789012' }],
  ['kube', 'kube', { namespace: 'payments' }],
  ['pg', 'pg', { roles: { 'team-a': SETS, admin: SETS } }],
  ['my', 'my', { roles: { 'team-a': GRANT, admin: GRANT } }],
];

let broker: TestBroker;
let opened: EveryConnection;
let admin: LiveOperator;
let editor: LiveOperator;

beforeAll(async () => {
  opened = await everyConnection();
  broker = await TestBroker.open({}, { connections: opened.providers, targets: opened.targets });
  admin = await broker.seed();
  for (const [prefix, connection, options] of MOUNTS) {
    await broker.put(admin, 'mount', prefix, { prefix, connection, options });
  }
  const scope = ['kv', ...MOUNTS.map(([prefix]) => prefix)].map((prefix) => `${prefix}/team-a`);
  editor = await broker.operator('ed', [{ role: 'secret-editor', scope: [...scope, 'app'] }]);
});
afterAll(async () => {
  await broker.close();
  await opened.close();
});

async function failureOf(work: Promise<unknown>): Promise<BrokerError | undefined> {
  return work.then(
    () => undefined,
    (error: unknown) => BrokerError.from(error),
  );
}

describe('the ref of a definition that a scoped secret-editor saves', () => {
  it.each<[string, object]>([
    ['kv1', { path: 'kv1/team-a/db' }],
    ['kv1', { path: 'kv1/team-a' }],
    ['kv2', { path: 'secret/data/team-a/db', key: 'any key' }],
    ['creds', { path: 'db/creds/team-a/app', method: 'POST' }],
    ['aws', { name: 'team-a/db', stage: 'AWSPREVIOUS' }],
    ['iam', { role: 'team-a/app' }],
    ['kube', { name: 'team-a' }],
    ['kube', { name: 'team-a', key: 'password' }],
    ['pg', { role: 'team-a' }],
    ['my', { role: 'team-a' }],
  ])('is accepted for a place inside the scope (%s %j)', async (mount, ref) => {
    const path = `${mount}/team-a/alias`;
    const dynamic = ['creds', 'iam', 'pg', 'my'].includes(mount);
    const body = { ref, ...(dynamic && { class: 'dynamic' }) };
    expect(await codeOf(broker.put(editor, 'definition', path, body))).toBe('no error');
    await broker.remove(editor, 'definition', path);
  });

  it.each<[string, object]>([
    ['kv1', { path: 'kv1/team-b/db' }],
    ['kv1', { path: 'kv1/team-ab/db' }],
    ['kv2', { path: 'secret/data/team-b/db' }],
    ['kv2', { path: 'secret/data/team-b/db', key: 'password' }],
    ['kv2', { path: 'secret/data/team-a/no path' }],
    ['kv2', { path: 'elsewhere/data/team-a/db' }],
    ['kv2', { path: 'secret/metadata/team-a/db' }],
    ['creds', { path: 'db/creds/admin' }],
    ['aws', { name: 'team-b/db' }],
    ['aws', { name: 'team-b/db', jsonKey: 'password' }],
    ['iam', { role: 'admin' }],
    ['kube', { name: 'production-database' }],
    ['kube', { name: 'production-database', key: 'password' }],
    ['kube', { serviceAccount: 'team-a', audiences: ['vault'] }],
    ['pg', { role: 'admin' }],
    ['pg', { role: 'no-such-role' }],
    ['my', { role: 'admin' }],
    ['my', { role: 'no-such-role' }],
  ])('is refused for any other place (%s %j) (ED01)', async (mount, ref) => {
    const path = `${mount}/team-a/alias`;
    const entries = await broker.entriesOf(async () => {
      const failure = await failureOf(broker.put(editor, 'definition', path, { ref }));
      expect(failure).toMatchObject({ code: 'ERR_BODY_INVALID', reason: 'scope_ref' });
      expect(failure?.problems).toMatchObject([{ pointer: '/ref' }]);
    });
    expect(entries).toMatchObject([
      { action: 'document.write', outcome: 'deny', reason: 'scope_ref' },
    ]);
    expect(broker.parts.catalog.find('definition', path)).toBeUndefined();
  });

  it('is refused for an embedded mount, as for every caller', async () => {
    for (const who of [editor, admin]) {
      const failure = await failureOf(broker.put(who, 'definition', 'app/x', { ref: {} }));
      expect(failure).toMatchObject({ code: 'ERR_BODY_INVALID', reason: undefined });
    }
  });

  it('stays where an unscoped editor pointed it, if no other field changes what it reaches (ED01)', async () => {
    const path = 'kv2/team-a/shared';
    const ref = { path: 'secret/data/team-b/db' };
    await broker.put(admin, 'definition', path, { ref });
    const save = (body: object) => codeOf(broker.put(editor, 'definition', path, body));
    expect(await save({ ref, leaseTtl: '5m' })).toBe('no error');
    expect(await save({ ref, rotation: { strategy: 'generated' } })).toBe('ERR_BODY_INVALID');
    expect(await save({ ref: { path: 'secret/data/team-c/db' } })).toBe('ERR_BODY_INVALID');
    await broker.remove(editor, 'definition', path);
    expect(await save({ ref })).toBe('ERR_BODY_INVALID');
  });
});

describe('the check of a mount', () => {
  it('lists the definitions that are aliases, and their targets', async () => {
    const put = (name: string, ref?: object) =>
      broker.put(admin, 'definition', `kv/checked/${name}`, { ref });
    await put('own', { at: 'kv/checked/own' });
    await put('plain');
    await put('other', { at: 'kv/team-b/db' });
    await put('outside', { at: 'other/db' });
    const { findings } = await checkMount(broker.parts, broker.call(), admin, 'kv');
    expect(findings.filter((line) => line.includes('kv/checked'))).toEqual([
      '"kv/checked/other" is an alias of "kv/team-b/db"',
      '"kv/checked/outside" is an alias of a place that no path has',
    ]);
  });
});

describe('an alias around a policy that denies a path', () => {
  const SECRET = { data: { password: 'team-b' }, version: '1' };

  it('is refused to a scoped editor: its workloads read nothing of the denied path (ED01)', async () => {
    broker.backend.secrets.set('kv/team-b/db', SECRET);
    await broker.put(admin, 'policy', 'deny-b', {
      ...policy('deny-b', ['kv/team-b/**'], { rule: { effect: 'deny' } }),
    });
    const ref = { at: 'kv/team-b/db' };
    const save = (who: LiveOperator) => broker.put(who, 'definition', 'kv/team-a/alias', { ref });
    expect(await codeOf(save(editor))).toBe('ERR_BODY_INVALID');
    const live = await broker.logIn();
    const read = (path: string) => readSecret(broker.parts, broker.call(), live, { path });
    expect(await codeOf(read('kv/team-a/alias'))).toBe('ERR_NOT_FOUND');
    expect(await codeOf(read('kv/team-b/db'))).toBe('ERR_DENIED');
    // An unscoped editor may create one: a ref is an alias, and policies are decided on the path alone
    // (docs/policies.md).
    await save(admin);
    expect((await read('kv/team-a/alias')).value.version).toBe('1');
    await broker.remove(admin, 'definition', 'kv/team-a/alias');
  });
});

describe('the rotation target of a definition that a scoped secret-editor saves', () => {
  const rotations: readonly [string, object][] = [
    ['pg', { strategy: 'single-user', options: { username: 'victim' } }],
    ['pg', { strategy: 'alternating-users', options: { usernames: ['victim_a', 'victim_b'] } }],
    ['pg', { strategy: 'single-user', options: { username: 'no-such-user' } }],
    ['my', { strategy: 'single-user', options: { username: 'victim' } }],
    ['red', { strategy: 'acl-user', options: { username: 'victim' } }],
    ['iam', { strategy: 'access-keys', options: { username: 'victim' } }],
    ['vault', { strategy: 'static-role', options: { role: 'victim' } }],
    ['vault', { strategy: 'aws-static-role', options: { role: 'victim' } }],
    ['aws', { strategy: 'own-rotation', options: { name: 'team-b/db' } }],
  ];

  it.each(rotations)(
    'is refused at a connection that other scopes use (%s %j) (ED02)',
    async (connection, how) => {
      for (const path of ['app/stolen', 'kv2/team-a/stolen', 'aws/team-a/stolen']) {
        const rotation = { connection, ...how };
        const failure = await failureOf(broker.put(editor, 'definition', path, { rotation }));
        expect(failure).toMatchObject({ code: 'ERR_BODY_INVALID', reason: 'scope_ref' });
        expect(failure?.problems).toMatchObject([{ pointer: '/rotation/options' }]);
      }
    },
  );

  it('gets the same answer whether or not another definition rotates the account (ED02)', async () => {
    const rotation = { connection: 'pg', strategy: 'single-user', options: { username: 'owned' } };
    const attempt = () => failureOf(broker.put(editor, 'definition', 'app/stolen', { rotation }));
    const before = await attempt();
    await broker.put(admin, 'definition', 'kv2/team-b/owned', { rotation });
    expect(await attempt()).toEqual(before);
  });

  it('is accepted at a connection whose prefixes all lie in the scope', async () => {
    const rotation = {
      connection: 'pg-a',
      strategy: 'single-user',
      options: { username: 'app_a' },
    };
    const scoped = await broker.operator('kv-a', [{ role: 'secret-editor', scope: ['kv/team-a'] }]);
    await broker.put(admin, 'mount', 'kv', {
      prefix: 'kv',
      connection: 'vault-1',
      options: { root: 'kv', publishes: true },
    });
    const path = 'kv/team-a/own';
    expect(await codeOf(broker.put(scoped, 'definition', path, { rotation }))).toBe('no error');
  });

  it('is accepted if it is the AWS secret that the path itself reads', async () => {
    const rotation = {
      connection: 'aws',
      strategy: 'own-rotation',
      options: { name: 'team-a/db' },
    };
    const save = (path: string) => codeOf(broker.put(editor, 'definition', path, { rotation }));
    expect(await save('aws/team-a/other')).toBe('ERR_BODY_INVALID');
    expect(await save('aws/team-a/db')).toBe('no error');
  });
});
