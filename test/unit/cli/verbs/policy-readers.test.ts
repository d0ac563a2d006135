import { describe, expect, it } from '@jest/globals';
import { runPolicyReaders } from '../../../../src/cli/verbs/policy-readers.ts';
import { cliContext } from '../../../kit/cli/cli-context.ts';
import { ScriptedBroker } from '../../../kit/cli/scripted-api.ts';

const WEB = 'k8s://prod/shop/web';
const policy = (name: string, spec: object) => ({
  name,
  updatedAt: '2026-01-01T00:00:00.000Z',
  document: { apiVersion: 'quaymaster.dev/v1', kind: 'AccessPolicy', metadata: { name }, spec },
});
const subjects = (namespace: string) => [
  { clusters: ['prod'], namespaces: [namespace], serviceAccounts: ['*'] },
];
const allow = (paths: readonly string[], capabilities = ['read']) => ({
  effect: 'allow',
  capabilities,
  paths,
});
const RULE = { effect: 'allow', policy: 'shop', version: 1, rule: 'rules[0]' };
const DENY = { effect: 'deny' };
const read = (path: string, recorded: object, current: object) => ({
  workload: WEB,
  capability: 'read',
  path,
  recorded,
  current,
  count: 3,
  live: 0,
  last: '2026-01-04T00:00:00.000Z',
});

async function readers(args: readonly string[] = [], csv?: true) {
  const broker = new ScriptedBroker({
    listPolicies: () => ({
      items: [
        policy('shop', { subjects: subjects('shop'), rules: [allow(['shop/**'])] }),
        policy('own', { subjects: subjects('*'), rules: [allow(['${namespace}/*'])] }),
        policy('writers', { subjects: subjects('ops'), rules: [allow(['**'], ['write'])] }),
        policy('deny', {
          subjects: subjects('*'),
          rules: [{ ...allow(['shop/**']), effect: 'deny' }],
        }),
      ],
    }),
    listDefinitions: () => ({
      items: [
        { name: 'shop/db', document: {} },
        { name: 'pay/db', document: {} },
      ],
    }),
    replayPolicies: () => ({
      items: [
        read('shop/db', RULE, RULE),
        read('old/db', RULE, DENY),
        read('secret/db', DENY, DENY),
      ],
      grants: [],
      skipped: [],
      widened: [],
      entries: 6,
    }),
  });
  const context = cliContext({ broker, format: csv === true ? 'table' : 'json' });
  await runPolicyReaders(context, { args, options: { since: '30d', ...(csv && { csv }) } });
  return context.out();
}

interface Shown {
  readonly path: string;
  readonly who: string;
  readonly policy?: string;
  readonly reads: number;
}

const lines = (out: string): readonly string[] =>
  (JSON.parse(out) as { readonly items: readonly Shown[] }).items.map(
    (item) => `${item.path} ${item.who} ${item.policy ?? '-'} ${item.reads}`,
  );

describe('the readers of each secret', () => {
  it('are those that read it, and the subjects of rules that no workload used', async () => {
    expect(lines(await readers())).toEqual([
      `old/db ${WEB} - 3`,
      'old/db k8s://prod/*/* own 0',
      'pay/db k8s://prod/*/* own 0',
      `shop/db ${WEB} shop 3`,
      'shop/db k8s://prod/*/* own 0',
    ]);
  });

  it('are limited to a prefix', async () => {
    expect(lines(await readers(['pay']))).toEqual(['pay/db k8s://prod/*/* own 0']);
  });

  it('are printed as CSV', async () => {
    expect((await readers(['pay'], true)).split('\n').slice(0, 2)).toEqual([
      'path,who,policy,rule,reads,last',
      'pay/db,k8s://prod/*/*,own,rules[0],0,',
    ]);
  });
});
