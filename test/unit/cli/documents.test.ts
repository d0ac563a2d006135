import { symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as loopTurn } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import { UnreachableError } from '../../../src/client/index.ts';
import { EXIT } from '../../../src/cli/errors.ts';
import { failureOf } from '../../../src/cli/failure.ts';
import type { LooseInput } from '../../../src/cli/broker.ts';
import { readDocuments } from '../../../src/cli/documents/read-files.ts';
import { Interrupted } from '../../../src/cli/errors.ts';
import { runApply } from '../../../src/cli/verbs/apply.ts';
import { cliContext } from '../../kit/cli-context.ts';
import { fileTree, removeTreesAfterEach } from '../../kit/file-tree.ts';
import { refusal, ScriptedBroker } from '../../kit/scripted-api.ts';

removeTreesAfterEach();

const MOUNT = `apiVersion: quaymaster.dev/v1
kind: Mount
metadata: { name: pay }
spec: { prefix: pay, connection: embedded }
`;
const POLICY = `apiVersion: quaymaster.dev/v1
kind: AccessPolicy
metadata: { name: pay }
spec:
  subjects: [{ clusters: [c], namespaces: [n], serviceAccounts: [s] }]
  rules: [{ effect: allow, paths: ['pay/**'], capabilities: [read] }]
`;
const BODY = { prefix: 'pay', connection: 'embedded' };

function stored(name: string, document: unknown) {
  return { name, version: 4, etag: `"${name}.4"`, updatedAt: 't', updatedBy: 'x', document };
}

interface Applied {
  readonly exit?: number;
  readonly text?: string;
  readonly out: string;
  readonly err: string;
  readonly written: readonly (LooseInput & { readonly id: string })[];
}

type Answers = Readonly<Record<string, (input: LooseInput) => unknown>>;

function isCheck({ query }: LooseInput): boolean {
  return query?.['dryRun'] === 'true';
}

/** `checks` are the answers to dry runs, `answers` those to changes. */
async function apply(
  files: Readonly<Record<string, string>>,
  at: Readonly<Record<string, unknown>>,
  options: object = { yes: true },
): Promise<Applied> {
  const directory = await fileTree(files);
  const mounts = (at['listMounts'] ?? []) as unknown[];
  const policies = (at['listPolicies'] ?? []) as unknown[];
  const checks = (at['checks'] ?? {}) as Answers;
  const answers: Answers = {
    listClusters: () => ({ items: [] }),
    listMounts: () => ({ items: mounts }),
    listPolicies: () => ({ items: policies }),
    putMount: () => ({}),
    putPolicy: () => ({}),
    deletePolicy: () => undefined,
    deleteMount: () => undefined,
    ...(at['answers'] as object | undefined),
  };
  const broker = new ScriptedBroker(
    Object.fromEntries(
      Object.entries(answers).map(([id, answer]) => [
        id,
        (input: LooseInput) => (isCheck(input) ? (checks[id]?.(input) ?? {}) : answer(input)),
      ]),
    ),
  );
  const signal = at['signal'] as AbortSignal | undefined;
  const context = cliContext({ broker, ...(signal !== undefined && { signal }) });
  const call = { args: [], options: { file: [directory], ...options } };
  const outcome = await runApply(context, call).then(
    (exit) => ({ exit }),
    (error: unknown) => ({ exit: failureOf(error).exitCode, text: failureOf(error).text }),
  );
  const written = broker.asked.filter((call) => !call.id.startsWith('list') && !isCheck(call));
  return { ...outcome, out: context.out(), err: context.err(), written };
}

describe('apply', () => {
  it('creates missing documents in the order in which they refer to each other', async () => {
    const { exit, written, out } = await apply(
      { 'a-policy.yaml': POLICY, 'b/mount.yml': MOUNT },
      {},
    );
    expect(exit).toBe(0);
    expect(written).toMatchObject([
      { id: 'putMount', path: { name: 'pay' }, headers: { 'If-None-Match': '*' }, body: BODY },
      { id: 'putPolicy', path: { name: 'pay' }, headers: { 'If-None-Match': '*' } },
    ]);
    expect(out).toContain('2 to create, 0 to change, 0 to delete, 0 unchanged');
  });

  it('changes documents that differ, at the version of the plan', async () => {
    const listMounts = [stored('pay', { ...BODY, leaseTtl: '1h', connection: 'old' })];
    const { written, out } = await apply({ 'm.yaml': MOUNT }, { listMounts });
    expect(written).toMatchObject([{ id: 'putMount', headers: { 'If-Match': '"pay.4"' } }]);
    expect(out).toContain('/connection: "old" → "embedded"');
    expect(out).toContain('/leaseTtl: - "1h"');
  });

  it('does nothing if the broker equals the files', async () => {
    const listMounts = [stored('pay', BODY)];
    expect(await apply({ 'm.yaml': MOUNT }, { listMounts }, {})).toMatchObject({
      exit: 0,
      written: [],
    });
  });

  it('exits a dry run with 2 if there are changes, and sends nothing', async () => {
    const dry = await apply({ 'm.yaml': MOUNT }, {}, { dryRun: true });
    expect(dry).toMatchObject({ exit: 2, written: [] });
    const listMounts = [stored('pay', BODY)];
    expect(await apply({ 'm.yaml': MOUNT }, { listMounts }, { dryRun: true })).toMatchObject({
      exit: 0,
    });
  });

  it.each([{ dryRun: true }, { yes: true }])(
    'lists with %j every problem that the broker finds, and changes nothing',
    async (options) => {
      const problems = [{ pointer: '/connection', message: 'no such connection' }];
      const checks = {
        putMount: () => {
          throw refusal(400, 'ERR_BODY_INVALID', { problems });
        },
        putPolicy: () => {
          throw refusal(409, 'ERR_CONFLICT', { detail: 'it nests' });
        },
      };
      const files = { 'm.yaml': `${POLICY}---\n${MOUNT}` };
      const { exit, text, written } = await apply(files, { checks }, options);
      expect({ exit, written }).toEqual({ exit: 64, written: [] });
      expect(text).toMatch(/m\.yaml:11:34: \/spec\/connection no such connection/);
      expect(text).toMatch(/m\.yaml:1:1: ERR_CONFLICT: it nests/);
    },
  );

  it('accepts a definition whose mount the same plan creates', async () => {
    const definition = MOUNT.replace('kind: Mount', 'kind: Definition')
      .replace('name: pay', 'name: pay/db')
      .replace('{ prefix: pay, connection: embedded }', '{}');
    const checks = {
      putDefinition: () => {
        const detail = 'no mount covers this path; create the mount first';
        throw refusal(409, 'ERR_CONFLICT', { detail });
      },
    };
    const answers = { listDefinitions: () => ({ items: [] }), putDefinition: () => ({}) };
    const at = { checks, answers };
    const both = await apply({ 'a.yaml': definition, 'm.yaml': MOUNT }, at, { dryRun: true });
    expect(both.exit).toBe(2);
    const alone = await apply({ 'a.yaml': definition }, at, { dryRun: true });
    expect(alone).toMatchObject({ exit: 64, text: expect.stringContaining('no mount covers') });
  });

  it('needs a confirmation, and does nothing without a terminal', async () => {
    expect(await apply({ 'm.yaml': MOUNT }, {}, {})).toMatchObject({ exit: 64, written: [] });
  });

  it('deletes documents that are not in the files, of pruned kinds only', async () => {
    const at = {
      listMounts: [stored('pay', BODY), stored('more', BODY)],
      listPolicies: [stored('gone', {})],
    };
    const files = { 'm.yaml': MOUNT, 'p.yaml': POLICY };
    const { written, out } = await apply(files, at, { yes: true, prune: ['policy'] });
    expect(written.map(({ id, path }) => [id, path?.['name']])).toEqual([
      ['putPolicy', 'pay'],
      ['deletePolicy', 'gone'],
    ]);
    expect(written[1]?.headers).toEqual({ 'If-Match': '"gone.4"' });
    expect(out).toContain('- policy gone');
  });

  it('refuses to prune a kind without a document in the files', async () => {
    const listPolicies = [stored('gone', {})];
    const prune = { yes: true, prune: ['policy'] };
    const { exit, text, written } = await apply({ 'm.yaml': MOUNT }, { listPolicies }, prune);
    expect({ exit, written }).toEqual({ exit: 64, written: [] });
    expect(text).toContain('so every policy would be deleted');
  });

  it('stops at a document that changed since the plan, and reports its progress', async () => {
    const answers = {
      putPolicy: () => {
        throw refusal(412, 'ERR_VERSION_CONFLICT');
      },
    };
    const second = POLICY.replace('name: pay', 'name: pay2');
    const files = { 'm.yaml': MOUNT, 'p.yaml': POLICY, 'q.yaml': second };
    const { exit, text, err, written } = await apply(files, { answers });
    expect(exit).toBe(6);
    expect(written).toHaveLength(2);
    expect(err).toContain('created mount pay');
    expect(text).toContain('1 applied; not applied: policy pay, policy pay2');
  });

  it('sends many policies at once after the first, and reports each of them', async () => {
    let [inFlight, most] = [0, 0];
    const answers = {
      putPolicy: async ({ path }: LooseInput): Promise<object> => {
        inFlight += 1;
        most = Math.max(most, inFlight);
        if (path?.['name'] === 'pay00') expect(inFlight).toBe(1);
        await loopTurn();
        inFlight -= 1;
        if (path?.['name'] === 'pay05') throw refusal(412, 'ERR_VERSION_CONFLICT');
        if (path?.['name'] === 'pay07') throw new UnreachableError('cut_off', 'broke');
        return {};
      },
    };
    const names = Array.from({ length: 40 }, (_, n) => `pay${String(n).padStart(2, '0')}`);
    const policies = names.map((name) => POLICY.replace('name: pay', `name: ${name}`));
    const { text, err, written } = await apply({ 'p.yaml': policies.join('---\n') }, { answers });
    expect(most).toBeGreaterThan(20);
    // The four policies that were applied before the failure made room for four more.
    expect(written).toHaveLength(37);
    expect(err.match(/created policy/g)).toHaveLength(35);
    expect(text).toContain('policy pay05: ERR_VERSION_CONFLICT');
    expect(text).toContain(
      '35 applied; possibly applied: policy pay07; not applied: policy pay05, policy pay37, ',
    );
  });

  it.each([
    [
      'without an answer',
      () => new UnreachableError('cut_off', 'broke'),
      EXIT.unreachable,
      'policy pay: no response: broke',
    ],
    [
      'with an unknown outcome',
      () => refusal(503, 'ERR_OUTCOME_UNKNOWN'),
      EXIT.unreachable,
      'policy pay: ERR_OUTCOME_UNKNOWN',
    ],
    ['in which it is interrupted', () => new Error('aborted'), EXIT.interrupted, 'interrupted'],
  ])('does not report a change as undone %s', async (_what, failure, expected, said) => {
    const ended = new AbortController();
    const answers = {
      putPolicy: () => {
        if (expected === EXIT.interrupted) ended.abort(new Interrupted(EXIT.interrupted));
        throw failure();
      },
    };
    const second = POLICY.replace('name: pay', 'name: pay2');
    const files = { 'm.yaml': MOUNT, 'p.yaml': POLICY, 'q.yaml': second };
    const { exit, text, written } = await apply(files, { answers, signal: ended.signal });
    expect({ exit, sent: written.length }).toEqual({ exit: expected, sent: 2 });
    expect(text).toContain(said);
    expect(text).toContain('1 applied; possibly applied: policy pay; not applied: policy pay2');
  });

  it('starts no further change after an interruption', async () => {
    const ended = new AbortController();
    const putMount = (): object => {
      ended.abort(new Interrupted(EXIT.terminated));
      return {};
    };
    const files = { 'm.yaml': MOUNT, 'p.yaml': POLICY };
    const { exit, text } = await apply(files, { answers: { putMount }, signal: ended.signal });
    expect({ exit, text }).toEqual({
      exit: EXIT.terminated,
      text: 'interrupted\n1 applied; not applied: policy pay',
    });
  });

  it('reports problems of the broker with the lines of the file', async () => {
    const answers = {
      putMount: () => {
        const problems = [{ pointer: '/connection', message: 'no such connection' }];
        throw refusal(400, 'ERR_BODY_INVALID', { problems });
      },
    };
    const { exit, text } = await apply({ 'm.yaml': `${POLICY}---\n${MOUNT}` }, { answers });
    expect(exit).toBe(1);
    expect(text).toMatch(/m\.yaml:11:34: \/spec\/connection no such connection/);
    expect(text?.match(/no such connection/g)).toHaveLength(1);
  });

  it('sends nothing when a document is not valid, and lists every problem at its line', async () => {
    const files = {
      'a.yaml': `${MOUNT.replace('name: pay', 'name: Pay')}---\n${POLICY.replace('allow', 'may')}`,
      'b.yaml': `${MOUNT}---\n${MOUNT}---\nkind: Pod\n`,
    };
    const { exit, text = '', written } = await apply(files, {});
    expect({ exit, written }).toEqual({ exit: 64, written: [] });
    const found = text.split('\n').slice(1);
    expect(found.map((line) => /([ab]\.yaml:\d+)/.exec(line)?.[1])).toEqual([
      'a.yaml:3',
      'a.yaml:11',
      'b.yaml:6',
      'b.yaml:11',
    ]);
  });

  it.each([
    ['kind: &a Mount\n', /b\.yaml:1:\d+: anchors/],
    ['kind: Mount\nkind: Mount\n', /b\.yaml:2:\d+: is not valid YAML: duplicate key/],
    ['a: [\n', /b\.yaml:\d+:\d+: is not valid YAML/],
  ])('refuses YAML with more than plain values: %j', async (text, expected) => {
    const outcome = await apply({ 'b.yaml': text }, {});
    expect(outcome.exit).toBe(64);
    expect(outcome.text).toMatch(expected);
  });

  it('reads JSON files, and skips hidden files and other types', async () => {
    const json = {
      apiVersion: 'quaymaster.dev/v1',
      kind: 'Mount',
      metadata: { name: 'j' },
      spec: BODY,
    };
    const files = { 'j.json': JSON.stringify(json), 'README.md': '#', '.git/x.yaml': 'a: [' };
    const { written } = await apply(files, {});
    expect(written.map(({ path }) => path)).toEqual([{ name: 'j' }]);
  });

  it('refuses a file that does not exist', async () => {
    const context = cliContext({ broker: new ScriptedBroker({}) });
    const call = { args: [], options: { file: [join('/nowhere', 'at-all')] } };
    await expect(runApply(context, call)).rejects.toThrow('does not exist');
  });
});

describe('the files of a directory', () => {
  const read = (place: string) => readDocuments(cliContext(), [place]);

  it('refuses a link to a directory instead of ignoring it', async () => {
    const root = await fileTree({ 'here/a.yaml': MOUNT, 'elsewhere/b.yaml': POLICY });
    await symlink(join(root, 'elsewhere'), join(root, 'here/linked'));
    const message = `${join(root, 'here/linked')} is a symbolic link to a directory`;
    await expect(read(join(root, 'here'))).rejects.toThrow(message);
  });

  it('are read through links to files, as Kubernetes mounts a ConfigMap', async () => {
    const root = await fileTree({ 'here/..data/a.yaml': MOUNT });
    await symlink('..data/a.yaml', join(root, 'here/a.yaml'));
    expect(await read(join(root, 'here'))).toHaveLength(1);
  });
});
