import { symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { ApiError, UnreachableError } from '../../../../src/client/index.ts';
import { EXIT } from '../../../../src/cli/kernel/errors.ts';
import { failureOf } from '../../../../src/cli/output/failure.ts';
import type { LooseInput } from '../../../../src/cli/connection/broker.ts';
import { kindOf, type DocumentWord } from '../../../../src/cli/documents/kinds.ts';
import { readDocuments } from '../../../../src/cli/documents/read-files.ts';
import { Interrupted } from '../../../../src/cli/kernel/errors.ts';
import { runApply } from '../../../../src/cli/verbs/apply.ts';
import { runCustomResourcePrune } from '../../../../src/cli/verbs/custom-resources.ts';
import { cliContext } from '../../../kit/cli/cli-context.ts';
import { fileTree, removeTreesAfterEach } from '../../../kit/files/file-tree.ts';
import { refusal, ScriptedBroker } from '../../../kit/cli/scripted-api.ts';

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
  /** The changes that reached the broker. */
  readonly written: readonly (LooseInput & { readonly id: string })[];
  /** The requests that brought them. */
  readonly requests: number;
}

type Answers = Readonly<Record<string, (input: LooseInput) => unknown>>;

interface SentDocument {
  readonly kind: DocumentWord;
  readonly name: string;
  readonly ifMatch?: string;
  readonly ifNoneMatch?: string;
  readonly document: string;
}

/** Answers `applyDocuments` as the broker: with the scripted answer for each document, and up to the first that fails. */
async function applyEach(
  { body, query }: LooseInput,
  put: (id: string, input: LooseInput, isCheck: boolean) => unknown,
): Promise<object> {
  const { documents } = body as { readonly documents: readonly SentDocument[] };
  const isCheck = query?.['dryRun'] === 'true';
  const items: object[] = [];
  for (const { kind, name, ifMatch, ifNoneMatch, document } of documents) {
    const { put: id, parameter } = kindOf(kind);
    const headers = {
      ...(ifMatch !== undefined && { 'If-Match': ifMatch }),
      ...(ifNoneMatch !== undefined && { 'If-None-Match': ifNoneMatch }),
    };
    try {
      await put(
        id,
        { path: { [parameter]: name }, headers, body: JSON.parse(document) as unknown },
        isCheck,
      );
      items.push({ kind, name, outcome: 'created' });
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      const { title, status, code, detail, problems, requestId } = error;
      items.push({ kind, name, error: { title, status, code, detail, problems, requestId } });
      if (!isCheck) break;
    }
  }
  return { items };
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
    ...(at['answers'] as object | undefined),
  };
  const written: (LooseInput & { readonly id: string })[] = [];
  const put = (id: string, input: LooseInput, isCheck: boolean): unknown => {
    if (isCheck) return checks[id]?.(input);
    written.push({ id, ...input });
    return answers[id]?.(input);
  };
  const remove = (id: string) => (input: LooseInput) => void written.push({ id, ...input });
  const broker = new ScriptedBroker({
    ...answers,
    applyDocuments: (input) => applyEach(input, put),
    deletePolicy: remove('deletePolicy'),
    deleteMount: remove('deleteMount'),
  });
  const signal = at['signal'] as AbortSignal | undefined;
  const context = cliContext({ broker, ...(signal !== undefined && { signal }) });
  const call = { args: [], options: { file: [directory], ...options } };
  const outcome = await runApply(context, call).then(
    (exit) => ({ exit }),
    (error: unknown) => ({ exit: failureOf(error).exitCode, text: failureOf(error).text }),
  );
  const requests = broker.asked.filter(
    ({ id, query }) => id === 'applyDocuments' && query?.['dryRun'] === undefined,
  ).length;
  return { ...outcome, out: context.out(), err: context.err(), written, requests };
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

  it('lists the problems that the broker finds beside those of the files', async () => {
    const problems = [{ pointer: '/connection', message: 'no such connection' }];
    const checks = {
      putMount: () => {
        throw refusal(400, 'ERR_BODY_INVALID', { problems });
      },
    };
    const files = {
      'm.yaml': `${POLICY.replace('allow', 'alow')}---\n${MOUNT}`,
      'open.yaml': 'a: [',
    };
    const { exit, text, written } = await apply(files, { checks }, { dryRun: true });
    expect({ exit, written }).toEqual({ exit: 64, written: [] });
    expect(text).toMatch(
      /open\.yaml.*\n.*effect must be allow or deny\n.*\/spec\/connection no such connection/,
    );
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

  it('deletes documents that are not in the files, of pruned kinds only, and no copy of a custom resource', async () => {
    const at = {
      listMounts: [stored('pay', BODY), stored('more', BODY)],
      listPolicies: [
        stored('gone', {}),
        { ...stored('c1.shop.web', {}), updatedBy: 'kubernetes/c1/shop/web' },
      ],
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

  it('sends many policies in one request, and reports each of them', async () => {
    const answers = {
      putPolicy: ({ path }: LooseInput): object => {
        if (path?.['name'] === 'pay250') throw refusal(412, 'ERR_VERSION_CONFLICT');
        return {};
      },
    };
    const names = Array.from({ length: 300 }, (_, n) => `pay${String(n).padStart(3, '0')}`);
    const policies = names.map((name) => POLICY.replace('name: pay', `name: ${name}`));
    const files = { 'm.yaml': MOUNT, 'p.yaml': policies.join('---\n') };
    const { text, err, requests } = await apply(files, { answers });
    // The mount alone, 200 policies, and the others.
    expect(requests).toBe(3);
    expect(err.match(/created policy/g)).toHaveLength(250);
    expect(text).toContain('policy pay250: ERR_VERSION_CONFLICT');
    expect(text).toContain('251 applied; not applied: policy pay250, policy pay251, ');
    expect(text).toContain('policy pay299');
  });

  it('sends no more bytes in one request than the broker takes, and a document that is too large alone', async () => {
    const definition = (name: string, length: number): string =>
      MOUNT.replace('kind: Mount', 'kind: Definition')
        .replace('name: pay', `name: pay/${name}`)
        .replace('{ prefix: pay, connection: embedded }', `{ ref: ${'x'.repeat(length)} }`);
    const documents = Array.from({ length: 30 }, (_, n) => definition(`d${n}`, 60_000));
    documents.splice(1, 0, definition('huge', 70_000));
    const answers = { listDefinitions: () => ({ items: [] }), putDefinition: () => ({}) };
    const { requests } = await apply({ 'd.yaml': documents.join('---\n') }, { answers });
    // One, the large one, and 29 of which 7 fit into a request.
    expect(requests).toBe(7);
  });

  it.each([
    [
      'without an answer',
      () => new UnreachableError('cut_off', 'broke'),
      EXIT.unreachable,
      'policy pay: no response: broke',
      'possibly applied: policy pay, policy pay2',
    ],
    [
      'with an unknown outcome',
      () => refusal(503, 'ERR_OUTCOME_UNKNOWN'),
      EXIT.unreachable,
      'policy pay: ERR_OUTCOME_UNKNOWN',
      'possibly applied: policy pay; not applied: policy pay2',
    ],
    [
      'in which it is interrupted',
      () => new Error('aborted'),
      EXIT.interrupted,
      'interrupted',
      'possibly applied: policy pay, policy pay2',
    ],
  ])('does not report a change as undone %s', async (_what, failure, expected, said, rest) => {
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
    expect(text).toContain(`1 applied; ${rest}`);
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

describe('the documents that the broker keeps without their custom resources', () => {
  const by = (name: string, updatedBy: string): object => ({ ...stored(name, {}), updatedBy });
  const lists = ['Clusters', 'Mounts', 'Operators', 'RoleBindings', 'Definitions', 'ResponseRules'];

  async function prune(options: object) {
    const removed: LooseInput[] = [];
    const remove = (input: LooseInput) => void removed.push(input);
    const broker = new ScriptedBroker({
      ...Object.fromEntries(lists.map((name) => [`list${name}`, () => ({ items: [] })])),
      listPolicies: () => ({
        items: [
          by('c1.shop.web', 'kubernetes/c1/shop/web'),
          by('c1.shop.old', 'kubernetes/c1/shop/old#deletion-held'),
          by('c2.shop.old', 'kubernetes/c2/shop/old#deletion-held'),
          by('all', 'root'),
        ],
      }),
      listPostureProfiles: () => ({ items: [by('base', 'kubernetes/c1/base#deletion-held')] }),
      deletePolicy: remove,
      deletePostureProfile: remove,
    });
    const context = cliContext({ broker });
    const exit = await runCustomResourcePrune(context, { args: [], options });
    return { exit, out: context.out(), removed };
  }

  it('are deleted after they are listed, each only in the version that was listed', async () => {
    const { exit, out, removed } = await prune({ cluster: 'c1', yes: true });
    expect(exit).toBe(EXIT.done);
    expect(out).toContain('- policy c1.shop.old');
    expect(out).toContain('0 to create, 0 to change, 2 to delete');
    expect(removed).toEqual([
      { path: { name: 'base' }, headers: { 'If-Match': '"base.4"' } },
      { path: { name: 'c1.shop.old' }, headers: { 'If-Match': '"c1.shop.old.4"' } },
    ]);
  });

  it('are only listed by a dry run, those of all clusters without --cluster', async () => {
    const { exit, out, removed } = await prune({ dryRun: true });
    expect([exit, removed]).toEqual([EXIT.changes, []]);
    expect(out).toContain('3 to delete');
  });
});
