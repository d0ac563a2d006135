import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { listSecrets } from '../../../../src/broker/secrets/list-secrets.ts';
import type { LiveOperator } from '../../../../src/broker/state/operator-token-memory.ts';
import { isReachable } from '../../../../src/domain/secrets/locator-bounds.ts';
import { BrokerError } from '../../../../src/domain/errors.ts';
import { codeOf, policy, TestBroker } from '../../../kit/broker/test-broker.ts';
import { everyConnection, type EveryConnection } from '../../../kit/providers/every-connection.ts';
import { ScriptedBackend } from '../../../kit/fakes/scripted-backend.ts';

const LOCATORS = {
  vault: ['kv1/own/**', 'secret/data/payments/**', 'db/creds/app'],
  aws: ['prod/**'],
  iam: ['roles/111111111111/**'],
  kube: ['ns-a/**'],
  pg: ['roles/*'],
  my: ['users/*'],
};
const CREATE = 'CREATE ROLE {{name}} LOGIN PASSWORD {{password}} VALID UNTIL {{expiration}}';
const GRANT = 'GRANT SELECT ON app.* TO {{name}}';

let opened: EveryConnection;
let broker: TestBroker;
let admin: LiveOperator;
const narrow = new ScriptedBackend('narrow');

beforeAll(async () => {
  opened = await everyConnection(LOCATORS);
  const scripted = { connection: narrow, locators: ['wide/team-a/**', 'wide/*/open'] };
  broker = await TestBroker.open(
    {},
    { connections: [...opened.providers, { ...scripted, prefixes: ['**'] }] },
  );
  admin = await broker.seed();
});
afterAll(async () => {
  await broker.close();
  await opened.close();
});

describe('a mount outside the locators of its connection', () => {
  it.each<[string, object, string]>([
    ['kube', { namespace: 'ns-b' }, 'ns-b/ is outside its locators (ns-a/**)'],
    ['aws', { namePrefix: 'other/' }, 'other/ is outside its locators (prod/**)'],
    ['vault', { engine: 'kv-v1', path: 'kv1', root: 'other' }, 'kv1/other/ is outside'],
    ['vault', { engine: 'kv-v2', path: 'elsewhere' }, 'elsewhere/data/ is outside'],
    ['vault', { engine: 'kv-v2', path: 'secret', root: 'hr' }, 'secret/data/hr/ is outside'],
    ['vault', { engine: 'dynamic', path: 'pki', tokenRole: 'r' }, 'pki/ is outside'],
    ['iam', { account: '222222222222' }, 'roles/222222222222/ is outside'],
    ['pg', { roles: { app: { creation: [CREATE] } } }, 'credentials/ is outside'],
    ['my', { roles: { app: { creation: [GRANT] } } }, 'credentials/ is outside'],
  ])('is refused when it is saved (%s %j) (ED05)', async (connection, options, words) => {
    const body = { prefix: 'm', connection, options };
    const failure = await broker.put(admin, 'mount', 'm', body).then(
      () => undefined,
      (error: unknown) => BrokerError.from(error),
    );
    expect(failure).toMatchObject({ code: 'ERR_BODY_INVALID' });
    expect(failure?.problems).toHaveLength(1);
    expect(failure?.problems?.[0]?.pointer).toBe('/options');
    expect(failure?.problems?.[0]?.message).toContain(`connection "${connection}": ${words}`);
  });

  it.each<[string, object]>([
    ['kube', { namespace: 'ns-a' }],
    ['aws', { namePrefix: '' }],
    ['aws', { namePrefix: 'prod/payments/' }],
    ['vault', { engine: 'kv-v2', path: 'secret' }],
    ['vault', { engine: 'dynamic', path: 'db', root: 'creds', tokenRole: 'r' }],
    ['iam', { account: '111111111111' }],
  ])('is refused unless the locators reach into it (%s %j)', async (connection, options) => {
    const body = { prefix: 'm', connection, options };
    expect(await codeOf(broker.put(admin, 'mount', 'm', body))).toBe('no error');
    await broker.remove(admin, 'mount', 'm');
  });
});

describe('a list', () => {
  beforeAll(async () => {
    for (const at of ['team-a/x', 'team-b/y', 'team-b/open', 'z'])
      narrow.secrets.set(`wide/${at}`, { data: {}, version: '1' });
    await broker.put(admin, 'mount', 'wide', {
      prefix: 'wide',
      connection: 'narrow',
      options: { root: 'wide' },
    });
    await broker.put(admin, 'policy', 'wide', policy('wide', ['wide/**']));
  });

  const pathsOf = async (prefix: string, limit = 100) => {
    const live = await broker.logIn();
    const query = { prefix, page: { limit }, charge: () => undefined };
    return Promise.all(
      [live, admin].map(async (caller) => {
        const { items, next } = await listSecrets(broker.parts, broker.call(), caller, query);
        return { paths: items.map(({ path }) => path), next: next !== undefined };
      }),
    );
  };

  it('names only paths that the locators allow, to workloads and operators alike (ED05)', async () => {
    const seen = { paths: ['wide/team-a/x', 'wide/team-b/open'], next: false };
    expect(await pathsOf('wide')).toEqual([seen, seen]);
    const page = { paths: ['wide/team-a/x'], next: true };
    expect(await pathsOf('wide', 1)).toEqual([page, page]);
  });

  it('does not call the backend below a place that the locators exclude', async () => {
    narrow.calls.length = 0;
    const nothing = { paths: [], next: false };
    expect(await pathsOf('wide/z')).toEqual([nothing, nothing]);
    expect(await pathsOf('wide/team-c/deep/er')).toEqual([nothing, nothing]);
    expect(narrow.calls.filter((call) => call.startsWith('list'))).toEqual(['list:z', 'list:z']);
  });
});

describe('the reach of locators', () => {
  it.each<[string, string[], boolean]>([
    ['', ['a/b'], true],
    ['a/', ['a/b'], true],
    ['a/', ['a'], false],
    ['a/', ['a/**'], true],
    ['a/b/', ['a/**'], true],
    ['a/b/', ['*/c/**'], false],
    ['a/b/', ['*/*/c'], true],
    ['a/b/', ['a/b'], false],
    ['ab/', ['a/**'], false],
    ['a/b', ['a/*'], true],
    ['a/', [], false],
  ])('covers or refuses %j by %j: %s', (covers, patterns, reached) => {
    expect(isReachable(covers, patterns)).toBe(reached);
  });
});
