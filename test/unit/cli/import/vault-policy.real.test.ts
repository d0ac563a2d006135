import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  translateRole,
  type Translated,
  type VaultMount,
  type VaultRule,
} from '../../../../src/cli/import/vault-policy.ts';
import {
  compilePolicies,
  decide,
  parsePolicy,
  type Capability,
} from '../../../../src/domain/policy/index.ts';
import { describeWith } from '../../../kit/backends/backends.ts';
import { createToken, mountEngine, openBaoCall } from '../../../kit/backends/openbao-calls.ts';

const CLUSTER = 'prod';
const ROLE = {
  name: 'web',
  serviceAccounts: ['web'],
  namespaces: ['shop'],
  policies: ['web'],
  sourceCidrs: [],
  hasSelector: false,
};
const WORKLOAD = {
  cluster: CLUSTER,
  namespace: 'shop',
  serviceAccount: 'web',
  serviceAccountUid: 'u',
};

type Rules = Readonly<Record<string, readonly string[]>>;

function rulesOf(rules: Rules): readonly VaultRule[] {
  return Object.entries(rules).map(([path, capabilities]) => {
    return { policy: 'web', path, capabilities, restrictions: [] };
  });
}

function translated(rules: Rules, mounts: readonly VaultMount[]): Translated {
  return translateRole(ROLE, new Map([['web', rulesOf(rules)]]), { mounts, cluster: CLUSTER });
}

/** Decides as a broker with this document. */
function judgeOf({ document }: Translated): (capability: Capability, path: string) => boolean {
  const policies =
    document === undefined ? [] : [{ name: 'web', version: 1, policy: parsePolicy(document) }];
  const compiled = compilePolicies(policies);
  return (capability, path) =>
    decide(compiled, {
      workload: WORKLOAD,
      capability,
      path,
      sourceAddress: '10.0.0.1',
      now: 0,
      podLabels: undefined,
      sealed: false,
    }).effect === 'allow';
}

const SECRET: VaultMount = { name: 'secret', engine: 'kv-v2', prefix: 'pay' };

describe('an AccessPolicy of a Kubernetes auth role', () => {
  it('has the capabilities of its policies below the prefix of the mount', () => {
    const made = translated(
      {
        'secret/data/db': ['read'],
        'secret/data/team/*': ['create', 'read', 'update', 'delete'],
        'secret/metadata/team/*': ['list'],
        'secret/data/+/shared': ['read'],
        'database/creds/app': ['read'],
      },
      [SECRET, { name: 'database', engine: 'database', prefix: 'db' }],
    );
    const may = judgeOf(made);
    expect(may('read', 'pay/db')).toBe(true);
    expect(may('read', 'pay/db/x')).toBe(false);
    expect([may('write', 'pay/team/a/b'), may('list', 'pay/team/a')]).toEqual([true, true]);
    expect([may('read', 'pay/team'), may('read', 'pay/x/shared')]).toEqual([false, true]);
    expect([may('read', 'db/app'), may('read', 'db/other')]).toEqual([true, false]);
    expect(made.differences.map(({ kind }) => kind)).toEqual(['wider']);
  });

  it('leaves out what it cannot express, and says so', () => {
    const rules = [
      { path: 'sys/mounts', capabilities: ['read'], restrictions: [] },
      { path: 'transit/encrypt/k', capabilities: ['update'], restrictions: [] },
      { path: 'secret/data/a', capabilities: ['update'], restrictions: [] },
      { path: 'secret/data/b', capabilities: ['read'], restrictions: ['min_wrapping_ttl'] },
      { path: 'secret/data/{{identity.entity.id}}/*', capabilities: ['read'], restrictions: [] },
    ].map((rule) => ({ ...rule, policy: 'web' }));
    const role = { ...ROLE, policies: ['web', 'absent', 'default'], hasSelector: true };
    const { document, differences } = translateRole(role, new Map([['web', rules]]), {
      mounts: [SECRET],
      cluster: CLUSTER,
    });
    expect(document).toBeUndefined();
    expect(differences.map(({ path, policy }) => path || policy)).toEqual([
      '',
      'absent',
      'sys/mounts',
      'transit/encrypt/k',
      'secret/data/{{identity.entity.id}}/*',
      'secret/data/a',
      'secret/data/b',
    ]);
    expect(new Set(differences.map(({ kind }) => kind))).toEqual(new Set(['not granted']));
  });

  it('takes namespace and service account of templates from the verified token', () => {
    const alias = 'identity.entity.aliases.auth_kubernetes_1.metadata';
    const path = `secret/data/{{${alias}.service_account_namespace}}/{{${alias}.service_account_name}}`;
    const may = judgeOf(translated({ [path]: ['read'] }, [SECRET]));
    expect([may('read', 'pay/shop/web'), may('read', 'pay/shop/api')]).toEqual([true, false]);
  });

  it('denies what a rule of higher rank takes away at Vault', () => {
    const made = translated(
      { 'secret/data/*': ['read'], 'secret/data/a/*': ['deny'], 'secret/data/a/b': ['read'] },
      [SECRET],
    );
    const may = judgeOf(made);
    expect([may('read', 'pay/x'), may('read', 'pay/a/c'), may('read', 'pay/a/b')]).toEqual([
      true,
      false,
      false,
    ]);
    expect(made.differences).toMatchObject([{ kind: 'narrower', path: 'secret/data/a/b' }]);
  });
});

it('denies the list of a mount whose own path a rule without list names', () => {
  const rules = (own: readonly string[]): Translated =>
    translated({ 'secret/+/': ['list'], 'secret/metadata': own }, [SECRET]);
  expect(judgeOf(rules([]))('list', 'pay/a')).toBe(false);
  expect(judgeOf(rules(['list']))('list', 'pay/a')).toBe(true);
});

it('denies the list of a folder whose name a rule without list names', () => {
  const may = judgeOf(
    translated({ 'secret/metadata/+/': ['list'], 'secret/metadata/a': ['deny'] }, [SECRET]),
  );
  expect([may('list', 'pay/a/b'), may('list', 'pay/c/b')]).toEqual([false, true]);
  const folder = judgeOf(
    translated({ 'secret/metadata/a': ['list'], 'secret/metadata/a/': ['deny'] }, [SECRET]),
  );
  expect(folder('list', 'pay/a/b')).toBe(false);
});

const NAMES = ['a', 'b', 'ab', 'a/a', 'a/b', 'b/a', 'a/ab', 'a/b/a', 'b/b/b', 'ab/a'];
const segment = fc.constantFrom('a', 'b', 'ab', '+');
const path = fc
  .tuple(
    fc.constantFrom('data', 'metadata', '+'),
    fc.array(segment, { maxLength: 3 }),
    fc.constantFrom('', '*', 'a*', '/'),
  )
  .map(([kind, segments, end]) => {
    const text = [kind, ...segments].join('/');
    return end === '' || end === '/' ? text + end : `${text}/${end}`;
  });
const capabilities = fc.subarray(['create', 'read', 'update', 'delete', 'list']);
const policies = fc.dictionary(path, fc.oneof(capabilities, fc.constant(['deny'])), {
  minKeys: 1,
  maxKeys: 4,
});

describeWith(['openbao'], 'an AccessPolicy beside the policies of OpenBao', ({ openbao }) => {
  it('never allows more than OpenBao, and what it reads less is reported', async () => {
    const mount = await mountEngine(openbao, 'kv', { options: { version: '2' } });
    const property = fc.asyncProperty(policies, async (relative) => {
      const rules = Object.fromEntries(
        Object.entries(relative).map(([below, words]) => [`${mount}/${below}`, words]),
      );
      const made = translated(rules, [{ name: mount, engine: 'kv-v2', prefix: 'pay' }]);
      const may = judgeOf(made);
      const text = Object.entries(rules).map(
        ([each, words]) => `path "${each}" { capabilities = ${JSON.stringify(words)} }`,
      );
      text.push('path "sys/capabilities-self" { capabilities = ["update"] }');
      const token = await createToken(openbao, text.join('\n'));
      const paths = NAMES.flatMap((name) => [
        `${mount}/data/${name}`,
        `${mount}/metadata/${name}`,
        `${mount}/metadata/${name.includes('/') ? name.slice(0, name.lastIndexOf('/')) : ''}/`.replace(
          '//',
          '/',
        ),
      ]);
      const access = { address: openbao.address, rootToken: token };
      const answer = (await openBaoCall(access, 'POST', 'sys/capabilities-self', {
        paths: [...new Set(paths)],
      })) as { readonly data: Readonly<Record<string, readonly string[]>> };
      const held = (at: string): readonly string[] => answer.data[at] ?? [];
      const narrower = made.differences.some(({ kind }) => kind === 'narrower');
      for (const [index, name] of NAMES.entries()) {
        const [data = '', metadata = '', folder = ''] = paths.slice(index * 3, index * 3 + 3);
        const theirs = {
          read: held(data).includes('read'),
          write: ['create', 'update', 'delete'].every((word) => held(data).includes(word)),
          list:
            held(metadata).includes('list') ||
            held(metadata).includes('read') ||
            held(folder).includes('list'),
        };
        for (const capability of ['read', 'write', 'list'] as const) {
          const ours = may(capability, `pay/${name}`);
          if (ours && !theirs[capability]) throw new Error(`${capability} ${name} is wider`);
          const isLost = capability !== 'list' && !ours && theirs[capability];
          if (isLost && !narrower) throw new Error(`${capability} ${name} is lost`);
        }
      }
    });
    await fc.assert(property, { numRuns: 40 });
  });
});
