import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  proveEntry,
  readCheckpoint,
  readHeads,
  readLogKey,
  readTile,
  searchAudit,
} from '../../../../src/broker/recording/audit.ts';
import { authenticate } from '../../../../src/broker/access/authenticate.ts';
import { checkCluster } from '../../../../src/broker/documents/check-cluster.ts';
import { checkMount } from '../../../../src/broker/documents/check-mount.ts';
import { applyDocument, deleteDocument } from '../../../../src/broker/documents/apply-document.ts';
import { documentTag } from '../../../../src/broker/model/document.ts';
import {
  documentVersions,
  listDocuments,
  readDocument,
} from '../../../../src/broker/documents/read-documents.ts';
import {
  createOperatorToken,
  listOperatorTokens,
  revokeOperatorToken,
} from '../../../../src/broker/sessions/operator-tokens.ts';
import { explainDecision, validatePolicy } from '../../../../src/broker/decisions/policies.ts';
import { readSecret } from '../../../../src/broker/secrets/read-secrets.ts';
import type { LiveOperator } from '../../../../src/broker/state/operator-token-memory.ts';
import type { BrokerError } from '../../../../src/domain/errors.ts';
import { cluster, codeOf, mount, policy, TestBroker } from '../../../kit/broker/test-broker.ts';
import { records } from '../../../kit/store/hooked-store.ts';

let broker: TestBroker;
let admin: LiveOperator;

beforeEach(async () => {
  broker = await TestBroker.open();
  admin = await broker.seed();
});
afterEach(async () => broker.close());

const tokensOf = (operator: string, by: LiveOperator = admin) =>
  listOperatorTokens(broker.parts, broker.call(), by, operator);
const mint = (operator: string, body: object = { ttl: '1h' }, by: LiveOperator = admin) =>
  createOperatorToken(broker.parts, broker.call(), by, { operator, body });

describe('an operator token', () => {
  it('authenticates its operator until it expires, from its networks only (ED13)', async () => {
    await broker.operator('ann', [{ role: 'auditor' }]);
    const { token } = await mint('ann', { ttl: '1h', sourceCidrs: ['10.1.0.0/16'] });
    const whoIs = (address: string) => authenticate(broker.parts, broker.call(address), token);
    expect(await whoIs('10.1.2.3')).toMatchObject({ operator: { name: 'ann' } });
    expect(await codeOf(whoIs('10.2.2.3'))).toBe('ERR_UNAUTHENTICATED');
    expect(await codeOf(whoIs('nonsense'))).toBe('ERR_UNAUTHENTICATED');
    broker.clock.advance(3_600_000);
    expect(await codeOf(whoIs('10.1.2.3'))).toBe('ERR_UNAUTHENTICATED');
  });

  it('carries no more than the current roles of its operator', async () => {
    await broker.operator('ann', [{ role: 'auditor' }]);
    const { token } = await mint('ann', {
      ttl: '1h',
      grants: [{ role: 'secret-reader' }, { role: 'auditor' }],
    });
    const who = (await authenticate(broker.parts, broker.call(), token)) as LiveOperator;
    expect(who.operator.grants).toEqual([{ role: 'auditor', scope: [] }]);
  });

  it('is refused when its operator is deleted and created again under the same name (P20)', async () => {
    await broker.operator('ann', [{ role: 'auditor' }]);
    const { token } = await mint('ann');
    await broker.operator('ann', [{ role: 'admin' }]);
    expect(await codeOf(authenticate(broker.parts, broker.call(), token))).toBe(
      'ERR_UNAUTHENTICATED',
    );
  });

  it('is refused once an admin or its own operator revoked it', async () => {
    const ann = await broker.operator('ann', [{ role: 'auditor' }]);
    const eve = await broker.operator('eve', [{ role: 'auditor' }]);
    const { token, stored } = await mint('ann');
    const revoke = (by: LiveOperator, operator = 'ann') =>
      revokeOperatorToken(broker.parts, broker.call(), by, { operator, id: stored.id });
    expect(await codeOf(revoke(eve))).toBe('ERR_DENIED');
    expect(await codeOf(revoke(eve, 'eve'))).toBe('ERR_NOT_FOUND');
    expect((await tokensOf('ann', ann)).map(({ stored: { id } }) => id)).toContain(stored.id);
    expect(await codeOf(tokensOf('ann', eve))).toBe('ERR_DENIED');
    const entries = await broker.entriesOf(async () => {
      const both = await Promise.all([codeOf(revoke(ann)), codeOf(revoke(ann))]);
      expect(both.sort()).toEqual(['ERR_NOT_FOUND', 'no error']);
    });
    expect(entries.map(({ outcome }) => outcome)).toEqual(['ok', 'deny']);
    expect(await codeOf(authenticate(broker.parts, broker.call(), token))).toBe(
      'ERR_UNAUTHENTICATED',
    );
  });

  it('is created by admins for existing operators, and every refusal is one entry', async () => {
    const eve = await broker.operator('eve', [{ role: 'auditor' }]);
    const cases: [() => Promise<unknown>, string][] = [
      [() => mint('eve', { ttl: '1h' }, eve), 'ERR_DENIED'],
      [() => mint('none'), 'ERR_NOT_FOUND'],
      [() => mint('eve', { ttl: '0s' }), 'ERR_BODY_INVALID'],
      [() => mint('eve', { ttl: '1h', more: 1 }), 'ERR_UNKNOWN_FIELD'],
    ];
    for (const [work, code] of cases) {
      const entries = await broker.entriesOf(async () => expect(await codeOf(work())).toBe(code));
      expect(entries).toMatchObject([{ action: 'operator-token.create', outcome: 'deny', code }]);
    }
  });

  it('is not created by an operator that has just lost the admin role', async () => {
    const second = await broker.operator('second', [{ role: 'admin' }]);
    broker.store.once(records('operator-token.create'), () =>
      broker.put(admin, 'operator', 'second', { grants: [{ role: 'auditor' }] }),
    );
    expect(await codeOf(mint('root', { ttl: '1h' }, second))).toBe('ERR_DENIED');
  });

  it('is revoked with the operator when both are created and deleted at the same moment', async () => {
    await broker.operator('ann', [{ role: 'auditor' }]);
    broker.store.once(records('operator-token.create'), () =>
      broker.remove(admin, 'operator', 'ann'),
    );
    expect(await codeOf(mint('ann'))).toBe('ERR_NOT_FOUND');
  });
});

describe('documents', () => {
  const apply = (
    kind: 'policy' | 'mount' | 'cluster' | 'definition' | 'operator',
    name: string,
    body: unknown,
    more: { by?: LiveOperator; precondition?: object } = {},
  ) =>
    applyDocument(broker.parts, broker.call(), more.by ?? admin, {
      kind,
      name,
      body,
      precondition: more.precondition ?? { ifNoneMatch: '*' },
    });

  it('are created, replaced with their version as precondition, and deleted, each with one entry', async () => {
    const entries = await broker.entriesOf(async () => {
      const { document, outcome } = await apply('policy', 'p', policy('p', ['app/**']));
      expect(outcome).toBe('created');
      const precondition = { ifMatch: documentTag(document) };
      const second = await apply('policy', 'p', policy('p', ['app/x']), { precondition });
      expect(second).toMatchObject({
        outcome: 'changed',
        document: { version: 2, uid: document.uid },
      });
      expect(await codeOf(apply('policy', 'p', policy('p', ['app/y']), { precondition }))).toBe(
        'ERR_VERSION_CONFLICT',
      );
      await broker.remove(admin, 'policy', 'p');
      expect(await codeOf(broker.remove(admin, 'policy', 'p'))).toBe('ERR_NOT_FOUND');
    });
    expect(entries.map(({ action, outcome }) => `${action} ${outcome}`)).toEqual([
      'document.write ok',
      'document.write ok',
      'document.write error',
      'document.delete ok',
      'document.delete deny',
    ]);
  });

  it.each([
    ['an invalid name', 'policy', 'X', policy('X', ['app/**']), 'ERR_PATH_INVALID'],
    ['a definition with an invalid path', 'definition', 'a//b', {}, 'ERR_PATH_INVALID'],
    ['a policy of another name', 'policy', 'p', policy('q', ['app/**']), 'ERR_POLICY_INVALID'],
    [
      'a mount without a connection',
      'mount',
      'm',
      { prefix: 'm', connection: 'none' },
      'ERR_BODY_INVALID',
    ],
    ['a mount that nests', 'mount', 'm', { ...mount('other'), prefix: 'kv/x' }, 'ERR_CONFLICT'],
    [
      'a mount that overlaps another',
      'mount',
      'm',
      { ...mount('kv'), prefix: 'm' },
      'ERR_CONFLICT',
    ],
    [
      'a mount with options that its provider refuses',
      'mount',
      'm',
      mount('refused'),
      'ERR_BODY_INVALID',
    ],
    [
      'a cluster without a connection',
      'cluster',
      'c',
      cluster({ connection: 'none' }),
      'ERR_BODY_INVALID',
    ],
    ['a definition without a mount', 'definition', 'no/where', {}, 'ERR_CONFLICT'],
    [
      'a definition outside the connection',
      'definition',
      'kv/x',
      { ref: { at: 'elsewhere/x' } },
      'ERR_BODY_INVALID',
    ],
    [
      'a dynamic one at a mount without dynamic credentials',
      'definition',
      'kv/x',
      { class: 'dynamic' },
      'ERR_BODY_INVALID',
    ],
    [
      'a static one with a longest life',
      'definition',
      'kv/x',
      { maxLeaseTtl: '1h' },
      'ERR_BODY_INVALID',
    ],
    [
      'a dynamic one that is cached',
      'definition',
      'dyn/x',
      { class: 'dynamic', cacheTtl: '1h' },
      'ERR_BODY_INVALID',
    ],
    [
      'a scoped admin',
      'operator',
      'o',
      { grants: [{ role: 'admin', scope: ['a'] }] },
      'ERR_BODY_INVALID',
    ],
    ['a field that is not known', 'cluster', 'c', cluster({ more: 1 }), 'ERR_UNKNOWN_FIELD'],
    ['an existing name', 'mount', 'kv', mount('kv'), 'ERR_VERSION_CONFLICT'],
  ] as const)('refuse %s', async (_, kind, name, body, code) => {
    const entries = await broker.entriesOf(async () =>
      expect(await codeOf(apply(kind, name, body))).toBe(code),
    );
    expect(entries).toMatchObject([{ action: 'document.write', code }]);
  });

  it('require a precondition', async () => {
    const without = apply('policy', 'p', policy('p', ['app/**']), { precondition: {} });
    expect(await codeOf(without)).toBe('ERR_PRECONDITION_REQUIRED');
    const nothing = apply('policy', 'p', policy('p', ['app/**']), {
      precondition: { ifMatch: '*' },
    });
    expect(await codeOf(nothing)).toBe('ERR_NOT_FOUND');
  });

  it('are refused for a mount outside the prefixes of its connection', async () => {
    const { connection, locators } = broker.parts.connections.find('vault-1')!;
    Object.assign(broker.parts.connections.find('vault-1')!, { prefixes: ['kv', 'dyn'] });
    expect({ name: connection.name, locators: locators.length }).toEqual({
      name: 'vault-1',
      locators: 3,
    });
    expect(await codeOf(apply('mount', 'm', mount('other')))).toBe('ERR_BODY_INVALID');
  });

  it('are changed by the first of two simultaneous requests', async () => {
    broker.store.once(records('document.write'), () =>
      apply('policy', 'p', policy('p', ['app/a'])),
    );
    expect(await codeOf(apply('policy', 'p', policy('p', ['app/b'])))).toBe('ERR_VERSION_CONFLICT');
  });

  it('let one of two nested mounts succeed if both are saved at once', async () => {
    broker.store.once(records('document.write'), () =>
      apply('mount', 'm1', { ...mount('other'), prefix: 'm' }),
    );
    expect(await codeOf(apply('mount', 'm2', { prefix: 'm/x', connection: 'embedded' }))).toBe(
      'ERR_CONFLICT',
    );
  });

  it('leave no state for the next change under the same number if they were refused', async () => {
    const live = await broker.logIn();
    await broker.put(admin, 'policy', 'all', policy('all', ['one/**', 'kv/**']));
    await apply('mount', 'one', { ...mount('other'), prefix: 'one' });
    const ifAny = { precondition: { ifMatch: '*' } };
    expect(await codeOf(apply('mount', 'one', { ...mount('kv'), prefix: 'one' }, ifAny))).toBe(
      'ERR_CONFLICT',
    );
    await apply('mount', 'one', { ...mount('other'), prefix: 'one', leaseTtl: '1m' }, ifAny);
    broker.backend.secrets.set('kv/db', { data: { v: 'of kv' }, version: '1' });
    broker.backend.secrets.set('other/db', { data: { v: 'of other' }, version: '1' });
    const { value } = await readSecret(broker.parts, broker.call(), live, { path: 'one/db' });
    expect(value.json.toString()).toBe('{"v":"of other"}');
  });

  it('are readable by their editors, and look absent to other callers', async () => {
    const auditor = await broker.operator('aud', [{ role: 'auditor' }]);
    const read = (kind: 'mount' | 'policy', name: string, by: LiveOperator) =>
      readDocument(broker.parts, broker.call(), by, { kind, name });
    expect((await read('mount', 'kv', admin)).name).toBe('kv');
    expect(await codeOf(read('mount', 'none', admin))).toBe('ERR_NOT_FOUND');
    for (const name of ['kv', 'none'])
      expect(await codeOf(read('mount', name, auditor))).toBe('ERR_DENIED');
    for (const name of ['all', 'none'])
      expect(await codeOf(read('policy', name, auditor))).toBe('ERR_DENIED');
  });

  it('are listed page by page', async () => {
    const list = (after?: string, kind: 'mount' | 'definition' = 'mount', by = admin) =>
      listDocuments(broker.parts, broker.call(), by, { kind, page: { limit: 2, after } });
    const first = await list();
    const second = await list(first.next);
    expect([...first.items, ...second.items].map(({ name }) => name)).toEqual(['app', 'dyn', 'kv']);
    expect(await codeOf(list('forged'))).toBe('ERR_REQUEST_INVALID');
    const editor = await broker.operator('ed', [{ role: 'secret-editor', scope: ['kv'] }]);
    expect((await list(undefined, 'definition', editor)).items).toEqual([]);
    expect(await codeOf(list(undefined, 'mount', editor))).toBe('ERR_DENIED');
  });

  describe('of a scoped policy-editor', () => {
    const NAME = 'kv.team.t';
    let scoped: LiveOperator;
    beforeEach(async () => {
      scoped = await broker.operator('sc', [{ role: 'policy-editor', scope: ['kv/team'] }]);
    });

    it('lie wholly inside its scope, in their old and their new form', async () => {
      const by = { by: scoped };
      expect(await codeOf(apply('policy', NAME, policy(NAME, ['kv/team/**']), by))).toBe(
        'no error',
      );
      const ifAny = { by: scoped, precondition: { ifMatch: '*' } };
      expect(await codeOf(apply('policy', NAME, policy(NAME, ['kv/**']), ifAny))).toBe(
        'ERR_DENIED',
      );
      expect(await codeOf(apply('policy', 'all', policy('all', ['kv/team/**']), ifAny))).toBe(
        'ERR_DENIED',
      );
      expect(await codeOf(apply('policy', 'u', 'nonsense', by))).toBe('ERR_DENIED');
      expect(
        await codeOf(
          deleteDocument(broker.parts, broker.call(), scoped, {
            kind: 'policy',
            name: 'all',
            precondition: { ifMatch: '*' },
          }),
        ),
      ).toBe('ERR_DENIED');
    });

    it('show only versions that lay inside its scope', async () => {
      await apply('policy', NAME, policy(NAME, ['kv/**']));
      await broker.put(admin, 'policy', NAME, policy(NAME, ['kv/team/**']));
      const versions = (by: LiveOperator, name = NAME) =>
        documentVersions(broker.parts, broker.call(), by, { kind: 'policy', name });
      expect((await versions(scoped)).map(({ version }) => version)).toEqual([2]);
      expect(await versions(admin)).toHaveLength(2);
      expect(await codeOf(versions(admin, 'none'))).toBe('ERR_NOT_FOUND');
      await broker.remove(admin, 'policy', NAME);
      expect(await versions(admin)).toHaveLength(3);
      expect(await codeOf(versions(scoped))).toBe('ERR_DENIED');
    });

    it('are listed without other policies', async () => {
      await apply('policy', NAME, policy(NAME, ['kv/team/**']));
      const query = { kind: 'policy', page: { limit: 10 } } as const;
      const { items } = await listDocuments(broker.parts, broker.call(), scoped, query);
      expect(items.map(({ name }) => name)).toEqual([NAME]);
    });
  });
});

describe('questions about policies', () => {
  const request = {
    workload: { cluster: 'c1', namespace: 'pay', serviceAccount: 'api', serviceAccountUid: 'u' },
    capability: 'read',
    path: 'kv/db',
    sourceAddress: '10.0.0.1',
  } as const;

  it('are answered to unscoped editors and auditors, and recorded', async () => {
    const auditor = await broker.operator('aud', [{ role: 'auditor' }]);
    const answer = await explainDecision(broker.parts, broker.call(), auditor, request);
    expect(answer.decision.effect).toBe('allow');
    const more = { ...request, podLabels: { app: 'x' }, at: 0 };
    expect(
      (await explainDecision(broker.parts, broker.call(), auditor, more)).decision.effect,
    ).toBe('allow');
    const scoped = await broker.operator('sc', [{ role: 'policy-editor', scope: ['kv'] }]);
    const entries = await broker.entriesOf(async () => {
      expect(await codeOf(explainDecision(broker.parts, broker.call(), scoped, request))).toBe(
        'ERR_DENIED',
      );
    });
    expect(entries).toMatchObject([{ action: 'policy.explain', outcome: 'deny' }]);
  });

  it('show editors the problems of a document', async () => {
    const validate = (body: unknown, by: LiveOperator = admin) =>
      validatePolicy(broker.parts, broker.call(), by, body);
    expect(await validate(policy('p', ['a/**']))).toEqual([]);
    expect(await validate({})).not.toEqual([]);
    expect(await codeOf(validate({}, await broker.operator('aud', [{ role: 'auditor' }])))).toBe(
      'ERR_DENIED',
    );
  });
});

describe('a mount check', () => {
  it('reports problems of the connection and of the mount', async () => {
    const check = (name: string, by: LiveOperator = admin) =>
      checkMount(broker.parts, broker.call(), by, name);
    expect(await check('kv')).toEqual({ healthy: true, findings: ['mount'] });
    broker.backend.healthy = false;
    expect(await check('kv')).toEqual({ healthy: false, findings: ['connection'] });
    expect(await codeOf(check('none'))).toBe('ERR_NOT_FOUND');
    expect(await codeOf(check('kv', await broker.operator('aud', [{ role: 'auditor' }])))).toBe(
      'ERR_DENIED',
    );
  });

  it('reports a connection that was removed from the configuration', async () => {
    const find = broker.parts.connections.find.bind(broker.parts.connections);
    Object.assign(broker.parts.connections, {
      find: (name: string) => (name === 'vault-1' ? undefined : find(name)),
    });
    expect(await checkMount(broker.parts, broker.call(), admin, 'kv')).toMatchObject({
      healthy: false,
    });
  });
});

describe('a cluster check', () => {
  it('reports what the cluster answers, to admins and responders', async () => {
    const check = (name: string, by: LiveOperator = admin) =>
      checkCluster(broker.parts, broker.call(), by, name);
    expect(await check('c1')).toEqual({ healthy: true, findings: ['cluster'] });
    expect(await codeOf(check('none'))).toBe('ERR_NOT_FOUND');
    expect(await codeOf(check('c1', await broker.operator('aud', [{ role: 'auditor' }])))).toBe(
      'ERR_DENIED',
    );
  });

  it('reports a cluster that is not served', async () => {
    Object.assign(broker.parts.clusters, { check: () => undefined });
    expect(await checkCluster(broker.parts, broker.call(), admin, 'c1')).toMatchObject({
      healthy: false,
      findings: [expect.stringContaining('the cluster is not served')],
    });
  });
});

describe('the audit log', () => {
  it('is readable by auditors, and records each search (A08)', async () => {
    const auditor = await broker.operator('aud', [{ role: 'auditor' }]);
    const reader = await broker.operator('rd', [{ role: 'secret-reader' }]);
    const { parts } = broker;
    const looks: [(by: LiveOperator) => Promise<unknown>, string][] = [
      [
        (by) => searchAudit(parts, broker.call(), by, { query: { path: 'a' }, page: { limit: 1 } }),
        'no error',
      ],
      [(by) => readCheckpoint(parts, broker.call(), by), 'ERR_NOT_FOUND'],
      [(by) => proveEntry(parts, broker.call(), by, 1), 'ERR_NOT_FOUND'],
      [(by) => readTile(parts, broker.call(), by, 'tile/0/000'), 'ERR_NOT_FOUND'],
      [(by) => readHeads(parts, broker.call(), by, 0), 'no error'],
      [(by) => readLogKey(parts, broker.call(), by), 'no error'],
    ];
    for (const [look, code] of looks) {
      const entries = await broker.entriesOf(async () => {
        expect(await codeOf(look(auditor))).toBe(code);
        expect(await codeOf(look(reader))).toBe('ERR_DENIED');
      });
      expect(entries).toHaveLength(2);
    }
  });

  it('returns nothing when the search cannot be recorded', async () => {
    broker.store.refuseOnce(records('audit.export'));
    const error = await readLogKey(broker.parts, broker.call(), admin).catch(
      (thrown: unknown) => thrown as BrokerError,
    );
    expect(error).toMatchObject({ code: 'ERR_AUDIT_UNAVAILABLE' });
  });
});

describe('documents with all optional fields', () => {
  it('are stored as written, with the defaults added', async () => {
    await broker.put(admin, 'definition', 'kv/x', {
      ref: { at: 'kv/y' },
      leaseTtl: '5m',
      cacheTtl: '0s',
      staleIfError: '1m',
      description: 'the database',
    });
    expect(broker.parts.catalog.find('definition', 'kv/x')!.spec).toEqual({
      class: 'static',
      ref: { at: 'kv/y' },
      leaseTtlSeconds: 300,
      cacheTtlSeconds: 0,
      staleIfErrorSeconds: 60,
      description: 'the database',
    });
    await broker.put(admin, 'operator', 'ann', { description: 'on call', grants: [] });
    expect(broker.parts.catalog.find('operator', 'ann')!.spec).toMatchObject({ grants: [] });
    const { stored } = await mint('ann', { ttl: '7d', description: 'pipeline' });
    expect(stored.spec).toEqual({
      sourceCidrs: [],
      description: 'pipeline',
      mintedBy: 'root',
      minters: ['root'],
      operatorVersion: 1,
    });
    const wrong = codeOf(broker.put(admin, 'cluster', 'c3', cluster({ maxTokenLifetime: '400d' })));
    expect(await wrong).toBe('ERR_BODY_INVALID');
  });
});
