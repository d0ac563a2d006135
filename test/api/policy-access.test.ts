import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { dump } from 'js-yaml';
import type { Format } from '../../src/cli/output/formats.ts';
import {
  runPolicyDiff,
  runPolicyReplay,
  runPolicyUnused,
} from '../../src/cli/verbs/policy-access.ts';
import { bearer, BrokerClient } from '../../src/client/index.ts';
import { cliContext } from '../kit/cli/cli-context.ts';
import { fileTree, removeTreesAfterEach } from '../kit/files/file-tree.ts';
import { policy, RunningApi } from '../kit/api/running-api.ts';

removeTreesAfterEach();

let api: RunningApi;
let client: BrokerClient;
let token: string;

beforeAll(async () => {
  api = await RunningApi.start();
  await api.seed();
  await api.put('policies/idle', policy('idle', ['app/idle/*', 'app/db'], ['read']));
  token = await api.operator('ada', [{ role: 'auditor' }, { role: 'policy-editor' }]);
  client = new BrokerClient({ url: api.url });
  const session = await api.logIn();
  for (const path of ['app/db', 'app/mail']) {
    await api.call('PUT', `/api/v1/secrets/${path}`, {
      token: session,
      body: { data: { password: 'x' } },
      headers: { 'If-None-Match': '*' },
    });
    await api.call('GET', `/api/v1/secrets/${path}`, { token: session });
  }
  await api.call('GET', '/api/v1/secrets/other/x', { token: session });
});
afterAll(async () => {
  client.close();
  await api.stop();
});

/** A context of this operator; the log begins after the time of its clock. */
function contextOf(operator: string, format: Format = 'table') {
  return cliContext({ broker: client.as(bearer(operator)), format });
}

async function draftOf(...documents: readonly object[]): Promise<string> {
  const directory = await fileTree({
    'draft/policies.yaml': documents.map((each) => dump(each)).join('---\n'),
  });
  return join(directory, 'draft');
}

const NARROW = policy('app', ['app/db', 'other/*', 'fresh/unseen'], ['read', 'list', 'write']);
const since = '30d';

/** The lines of a table, with one space between cells. */
function linesOf(text: string): readonly string[] {
  return text.split('\n').map((line) => line.replace(/ {2,}/g, ' '));
}

describe('policy diff', () => {
  it('shows the documents, who loses, who gains, and what is wider without use', async () => {
    const context = contextOf(token);
    const args = [await draftOf(NARROW)];
    expect(await runPolicyDiff(context, { args, options: { since } })).toBe(2);
    const out = context.out();
    expect(out).toContain('0 to create, 1 to change, 0 to delete, 0 unchanged');
    const who = 'k8s://c1/prod/api read';
    const lines = linesOf(out);
    expect(lines.some((line) => line.startsWith(`${who} app/mail 1 1`))).toBe(true);
    expect(lines.find((line) => line.startsWith(`${who} other/x`))).toMatch(
      / deny allow app\/rule-1$/,
    );
    expect(out).toContain('fresh/unseen');
    expect(out).toContain(
      '1 workload would lose 2 accesses; 1 workload would gain 1; 0 cannot be decided; 2 unchanged; 1 grant wider without use',
    );
    expect(out).toMatch(/the log begins at \S+: requests before it are not known/);
    // Another policy allows it still.
    expect(out).not.toContain('app/db 1');
  });

  it('counts the removal of a policy with --prune', async () => {
    const context = contextOf(token, 'json');
    const args = [await draftOf(policy('idle', ['app/idle/*', 'app/db'], ['read']))];
    const options = { since, prune: ['policy'] as const };
    expect(await runPolicyDiff(context, { args, options })).toBe(2);
    const { items, access } = JSON.parse(context.out()) as {
      readonly items: readonly object[];
      readonly access: { readonly loses: readonly { capability: string; path: string }[] };
    };
    expect(items).toMatchObject([{ action: 'delete', name: 'app' }]);
    const loses = access.loses.map(({ capability, path }) => `${capability} ${path}`);
    expect(loses).toEqual(['write app/db', 'read app/mail', 'write app/mail']);
  });

  it('exits with 0 if the files are the policies of the broker', async () => {
    const context = contextOf(token);
    const args = [await draftOf(policy('idle', ['app/idle/*', 'app/db'], ['read']))];
    expect(await runPolicyDiff(context, { args, options: { since } })).toBe(0);
  });

  it('shows the documents also to an editor that may not read the log', async () => {
    const context = contextOf(await api.operator('editor', [{ role: 'policy-editor' }]));
    const args = [await draftOf(NARROW)];
    expect(await runPolicyDiff(context, { args, options: { since } })).toBe(2);
    expect(context.out()).toContain('1 to change');
    expect(context.err()).toContain('this also needs the role auditor');
  });
});

describe('policy replay', () => {
  it('exits with 2 if a request that was allowed would be denied, and with 0 otherwise', async () => {
    const context = contextOf(token, 'json');
    const args = [await draftOf(NARROW)];
    expect(await runPolicyReplay(context, { args, options: { since } })).toBe(2);
    const { requests, loses, gains, log } = JSON.parse(context.out()) as {
      readonly requests: readonly { readonly change: string }[];
      readonly loses: readonly object[];
      readonly gains: readonly object[];
      readonly log: { readonly entries: number };
    };
    expect(loses).toMatchObject([
      { path: 'app/mail', capability: 'read', count: 1, before: { policy: 'app', version: 1 } },
      { path: 'app/mail', capability: 'write', count: 1, after: { effect: 'deny' } },
    ]);
    expect(gains).toMatchObject([{ path: 'other/x', before: { effect: 'deny' } }]);
    expect(requests.map(({ change }) => change).sort()).toEqual([
      'gains',
      'loses',
      'loses',
      'same',
      'same',
    ]);
    expect(log.entries).toBeGreaterThan(5);
    const wide = policy('app', ['**'], ['read', 'list', 'write']);
    const again = contextOf(token);
    const options = { since };
    expect(await runPolicyReplay(again, { args: [await draftOf(wide)], options })).toBe(0);
  });

  it('lists a request that depends on facts that the log lacks', async () => {
    const labelled = {
      ...NARROW,
      spec: {
        subjects: [
          {
            clusters: ['c1'],
            namespaces: ['prod'],
            serviceAccounts: ['*'],
            podLabels: { app: 'web' },
          },
        ],
        rules: [{ name: 'own', effect: 'allow', paths: ['app/**'], capabilities: ['read'] }],
      },
    };
    const context = contextOf(token);
    const args = [await draftOf(labelled)];
    expect(await runPolicyReplay(context, { args, options: { since } })).toBe(2);
    expect(context.out()).toContain('depends on pod labels');
    expect(context.out()).toContain('1 cannot be decided');
  });

  it.each([
    ['7x', 'must be a time such as'],
    ['2999-01-01', 'is in the future'],
  ])('refuses --since %s', async (text, message) => {
    const args = [await draftOf(NARROW)];
    const running = runPolicyReplay(contextOf(token), { args, options: { since: text } });
    await expect(running).rejects.toThrow(message);
  });

  it('refuses an invalid draft with the line of each problem', async () => {
    const args = [await draftOf(policy('bad', ['a//b'], ['read']))];
    const running = runPolicyReplay(contextOf(token), { args, options: { since } });
    await expect(running).rejects.toMatchObject({
      problems: [{ line: 17, pointer: '/spec/rules/0/paths/0' }],
    });
  });

  it('refuses an operator without the role auditor', async () => {
    const editor = await api.operator('replayer', [{ role: 'policy-editor' }]);
    const args = [await draftOf(NARROW)];
    const running = runPolicyReplay(contextOf(editor), { args, options: { since } });
    await expect(running).rejects.toMatchObject({ code: 'ERR_DENIED' });
  });
});

describe('policy unused', () => {
  it('lists the grants that no request used, with the last use before the period', async () => {
    const context = contextOf(token, 'json');
    await runPolicyUnused(context, { args: [], options: { since } });
    const { items, grants } = JSON.parse(context.out());
    expect(grants).toBe(3);
    expect(items).toMatchObject([{ policy: 'idle', rule: 'rule-1', path: 'app/idle/*' }]);
    expect(items[0]).not.toHaveProperty('lastUsed');
    const text = contextOf(token);
    await runPolicyUnused(text, { args: [], options: { since } });
    expect(text.out()).toContain('not in the log');
    expect(text.out()).toContain('1 of 3 grants not used');
  });
});
