import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { runProgram } from '../../../../src/program/program.ts';
import { COMMANDS, OPTIONS } from '../../../../src/program/foreign-words.ts';
import { runAuditSearch } from '../../../../src/cli/verbs/audit-search.ts';
import { listDocuments } from '../../../../src/cli/verbs/documents.ts';
import { failureOf } from '../../../../src/cli/output/failure.ts';
import { openClient } from '../../../../src/cli/connection/connection.ts';
import { ApiError, UnreachableError } from '../../../../src/client/index.ts';
import { transportError } from '../../../../src/client/transport.ts';
import { requestLine } from '../../../../src/program/dev/run-dev.ts';
import { runLs } from '../../../../src/cli/verbs/ls.ts';
import { runStatus } from '../../../../src/cli/verbs/status.ts';
import { runGet } from '../../../../src/cli/verbs/get.ts';
import { runPatch, runPut } from '../../../../src/cli/verbs/put.ts';
import { runPolicyTest } from '../../../../src/cli/verbs/policy-test.ts';
import { loadLogKeyFile } from '../../../../src/audit/records/log-key.ts';
import { cliContext } from '../../../kit/cli/cli-context.ts';
import { fileTree, removeTreesAfterEach } from '../../../kit/files/file-tree.ts';
import { refusal, ScriptedBroker } from '../../../kit/cli/scripted-api.ts';

removeTreesAfterEach();

/** Runs a command that fails before it calls anything. @returns its output and exit code */
async function mistake(...words: readonly string[]): Promise<{ text: string; code: number }> {
  process.argv = ['node', 'quaymaster', ...words];
  const code = await runProgram();
  return { text: printed, code: code ?? Number(process.exitCode ?? 0) };
}

const { argv } = process;
let printed = '';

beforeEach(() => {
  printed = '';
  const keep = (text: unknown, ...[done]: readonly unknown[]): boolean => {
    printed += String(text);
    if (typeof done === 'function') (done as () => void)();
    return true;
  };
  jest.spyOn(process.stderr, 'write').mockImplementation(keep);
  jest.spyOn(process.stdout, 'write').mockImplementation(keep);
  for (const name of ['log', 'error'] as const) {
    jest.spyOn(console, name).mockImplementation((text) => void keep(`${String(text)}\n`));
  }
});
afterEach(() => {
  process.argv = argv;
  process.exitCode = undefined;
  jest.restoreAllMocks();
});

describe('a misspelled command', () => {
  it.each(['relese', 'releas', 'delease', 'relate'])('%s never suggests release', async (word) => {
    const { text, code } = await mistake(word);
    expect(code).toBe(64);
    expect(text).toContain(`unknown command '${word}'`);
    expect(text).not.toContain('Did you mean release');
  });

  it('suggests a similar command', async () => {
    expect((await mistake('whoam')).text).toContain('Did you mean whoami?');
  });

  it.each([
    ['kv', 'get, put, patch'],
    ['read', 'quaymaster get PATH'],
    ['write', 'quaymaster put PATH'],
    ['secrets', 'quaymaster mount ls'],
    ['auth', 'quaymaster cluster ls'],
    ['token', 'quaymaster operator token create'],
    ['unseal', 'restart each replica'],
    ['use', 'quaymaster profile use NAME'],
    ['logs', 'quaymaster audit search'],
  ])('%s of Vault or kubectl names the command that helps', async (word, advice) => {
    const { text, code } = await mistake(word, 'x');
    expect(code).toBe(64);
    expect(text).toContain(advice);
  });

  it.each([
    ['--format=json', '-o json'],
    ['--field=password', '--key KEY --reveal'],
  ])('the option %s of others names the option that helps', async (option, advice) => {
    const { text, code } = await mistake('get', option, 'a/b');
    expect(code).toBe(64);
    expect(text).toContain(advice);
  });

  it.each([
    [['--profile', 'x', 'audit', 'search'], 'options follow their command'],
    [['quarantine', 'lift', 'qua_1', '--reason', 'x', '-y'], 'does not ask: leave it out'],
    [['rotate', 'demo/shop/db'], 'name the command before a path: quaymaster rotate run PATH'],
  ])('%j is answered with the right order of words', async (words, advice) => {
    const { text, code } = await mistake(...words);
    expect(code).toBe(64);
    expect(text).toContain(advice);
  });

  it.each(['xecret', 'creates', 'stroy', 'destro', 'restor', 'ls1', 'rmx'])(
    'guesses nothing for %s, because no harmless command is one letter away',
    async (word) => {
      expect((await mistake(word)).text).not.toContain('Did you mean');
    },
  );

  it('advises only commands that exist', async () => {
    const commands = [...Object.values(COMMANDS), ...Object.values(OPTIONS)]
      .flatMap((text) => [...text.matchAll(/quaymaster ([a-z][a-z-]*(?: [a-z-]+)?)/g)])
      .map(([, words = '']) => words.split(' ').filter((word) => !word.startsWith('-')));
    expect(commands.length).toBeGreaterThan(20);
    for (const words of commands) {
      expect(await mistake(...words, '--help')).toMatchObject({
        code: 0,
        text: expect.stringContaining(`Usage: quaymaster ${words[0]}`),
      });
    }
  });
});

describe('a command of Vault or Git', () => {
  it.each([
    ['delete', 'Usage: quaymaster rm|delete'],
    ['list', 'Usage: quaymaster ls|list'],
    ['history', 'Usage: quaymaster versions|history'],
  ])('%s runs the matching command', async (word, usage) => {
    expect((await mistake(word, '--help')).text).toContain(usage);
  });

  it('prints the release for version', async () => {
    expect(await mistake('version')).toEqual({
      text: expect.stringMatching(/^\d+\.\d+\.\d+\n$/),
      code: 0,
    });
  });
});

describe('a broker that cannot be reached', () => {
  it.each([
    ['http://127.0.0.1:1', 'ECONNRESET', 'begins with https://'],
    ['http://127.0.0.1:1', 'HPE_INVALID_CONSTANT', 'begins with https://'],
    ['https://127.0.0.1:1', 'EPROTO', 'begins with http://'],
  ])('names the other scheme for a port of %s after %s', (origin, code, hint) => {
    const { text } = failureOf(transportError(Object.assign(new Error(), { code }), origin));
    expect(text).toContain(hint);
  });

  it('is reported with the CA file if its certificate is untrusted', () => {
    const { text } = failureOf(new UnreachableError('tls', 'https://x: CERT'));
    expect(text).toContain('if you have named one, it did not sign this certificate');
  });

  it('reports an invalid CA file before it connects', async () => {
    const open = openClient({ url: 'https://x', caFile: '/dev/null' }, () => undefined);
    await expect(open).rejects.toThrow('/dev/null contains no certificate in PEM');
  });
});

describe('an expired token', () => {
  it('is reported with the time since it expired, if the profile knows it', () => {
    const error = refusal(401, 'ERR_UNAUTHENTICATED');
    expect(failureOf(error, '12 min ago').text).toContain('your token expired 12 min ago');
    expect(failureOf(error).text).toContain('has expired, was revoked or is of another broker');
  });
});

describe('a wrong key at audit verify', () => {
  it('is not taken for a damaged export', async () => {
    const { text, code } = await mistake('audit', 'verify', '/tmp', '--log-key', 'nonsense');
    expect({ text, code }).toEqual({
      text: expect.stringContaining('--log-key is not the verifier key of a log'),
      code: 2,
    });
  });
});

describe('a command that has ended', () => {
  it('leaves signals to the system', async () => {
    const before = process.listenerCount('SIGTERM');
    const { text } = await mistake('policy', 'test', '/nowhere');
    expect(text).toContain('/nowhere');
    expect(process.listenerCount('SIGTERM')).toBe(before);
  });
});

describe('an absent object', () => {
  it.each([
    ['mounts/nope', 'no mount "nope"', 'quaymaster mount ls'],
    ['mounts/nope:check', 'no mount "nope"', 'quaymaster mount ls'],
    ['leases/lea_1', 'no lease "lea_1"', 'quaymaster lease ls'],
    ['secrets/a/b', 'no secret "a/b"', 'quaymaster ls'],
    ['definitions/a/b', 'no definition "a/b"', 'quaymaster definition ls'],
    ['operators/absent/tokens', 'no operator "absent"', 'quaymaster operator ls'],
    ['operators/eva/tokens/tok_1', 'no token tok_1', 'quaymaster operator token ls eva'],
  ])('%s is named, with the command that lists its kind', (path, what, list) => {
    const at = { id: 'x', path: `/api/v1/${path}` };
    const code = 'ERR_NOT_FOUND';
    const problem = {
      type: 'urn:x',
      title: 'Not found',
      status: 404,
      requestId: 'r',
      code,
    } as const;
    const { text } = failureOf(new ApiError(at, problem));
    expect(text).toContain(`ERR_NOT_FOUND: ${what}\n`);
    expect(text).toContain(`list them: ${list}`);
  });
});

describe('a search of the audit log', () => {
  const search = (options: object, items: readonly object[] = []) => {
    const broker = new ScriptedBroker({ searchAudit: () => ({ items }) });
    const context = cliContext({ broker });
    return {
      context,
      broker,
      done: runAuditSearch(context, { args: [], options: { limit: '100', ...options } }),
    };
  };

  it.each([
    [{ outcome: 'denied' }, '--outcome denied: must be one of ok, deny, error'],
    [
      { action: 'secrets.read' },
      '--action secrets.read: must be a word of docs/audit.md, such as session.read, ',
    ],
    [{ code: 'DENIED' }, '--code DENIED: must be a word of docs/audit.md, such as ERR_DENIED, '],
    [{ workload: 'shop/web' }, '--workload shop/web: must be k8s://<cluster>/'],
    [{ from: 'yesterday' }, '--from yesterday: must be a time such as 2026-01-05T10:00:00Z'],
    [{ to: '5' }, '--to 5: must be a time such as'],
    [{ since: 'long' }, '--since long: must be a time'],
    [{ since: '2h', from: '2026-01-05' }, '--from and --since both name the beginning'],
  ])('refuses %j instead of finding nothing', async (options, message) => {
    const { done, broker } = search(options);
    await expect(done).rejects.toThrow(message);
    expect(broker.asked).toEqual([]);
  });

  it('counts --since back from now', async () => {
    const { done, broker } = search({ since: '2h' });
    await done;
    expect(broker.asked).toMatchObject([{ query: { from: '2026-01-05T08:00:00.000Z' } }]);
  });

  it('shows the reason that the caller did not get', async () => {
    const entry = { time: '2026-01-05T09:59:00.123Z', action: 'secret.read', outcome: 'deny' };
    const denied = { ...entry, code: 'ERR_DENIED', reason: 'lease_revoked', path: 'a/b' };
    const { done, context } = search({}, [{ index: 7, entry: denied }]);
    await done;
    expect(context.out()).toContain('REASON');
    expect(context.out()).toMatch(/2026-01-05T09:59:00Z .* deny ERR_DENIED +lease_revoked +a\/b/);
  });
});

describe('a list of documents', () => {
  const stored = { version: 2, updatedAt: '2026-01-05T09:00:00.000Z', updatedBy: 'alice' };
  const listed = async (
    word: Parameters<typeof listDocuments>[0],
    id: string,
    document: object,
  ) => {
    const broker = new ScriptedBroker({
      [id]: () => ({ items: [{ ...stored, name: 'x', document }] }),
    });
    const context = cliContext({ broker });
    await listDocuments(word)(context, { args: [], options: {} });
    return context.out();
  };

  it('shows prefix and connection of each mount, and when it was changed', async () => {
    const out = await listed('mount', 'listMounts', { prefix: 'team', connection: 'bao' });
    expect(out).toBe(
      'NAME   PREFIX   CONNECTION   VERSION   UPDATED      BY\nx      team     bao          2         60 min ago   alice\n',
    );
  });

  it.each([
    ['cluster', 'listClusters', { connection: 'c', issuer: 'https://i' }, /c +https:\/\/i/],
    ['operator', 'listOperators', { grants: [{ role: 'auditor' }] }, /auditor/],
    ['definition', 'listDefinitions', { rotation: { strategy: 'generated' } }, /generated/],
    ['policy', 'listPolicies', { spec: { rules: [{ paths: ['a/**'] }] } }, /a\/\*\*/],
  ] as const)('shows the main fields of each %s', async (word, id, document, expected) => {
    expect(await listed(word, id, document)).toMatch(expected);
  });
});

describe('the terminal of development mode', () => {
  const now = Date.parse('2026-01-05T10:00:01Z');
  it.each([
    ['k8s://dev/shop/web', 200, 'k8s://dev/shop/web  GET /x  200 ok'],
    ['k8s://dev/shop/web', 403, 'k8s://dev/shop/web  GET /x  403 denied'],
    ['tok_1', 404, 'operator  GET /x  404 not found'],
    [undefined, 401, 'anonymous  GET /x  401 no valid token'],
    [undefined, 500, 'anonymous  GET /x  500 refused'],
  ])('shows a request of %s that ended with %i as one line', (identity, status, line) => {
    const answered = { method: 'GET', path: '/x', identity, status };
    expect(requestLine(answered, now)).toBe(`10:00:01  ${line}`);
  });
});

describe('a version that does not exist', () => {
  const broker = (versions: () => unknown) =>
    new ScriptedBroker({
      readSecret: () => {
        throw refusal(404, 'ERR_NOT_FOUND');
      },
      listSecretVersions: versions,
    });
  const get = (versions: () => unknown, version?: string) => {
    const options = version === undefined ? {} : { version };
    return runGet(cliContext({ broker: broker(versions) }), { args: ['a/b'], options });
  };
  const some = () => ({ items: ['12', '11', '10'].map((version) => ({ version })) });

  it('is named with those that exist', async () => {
    await expect(get(some, '99')).rejects.toMatchObject({
      exitCode: 4,
      message: expect.stringContaining('a/b has no version 99; versions: 12, 11, 10'),
    });
  });

  it.each([
    ['the secret does not exist', () => ({ items: [] }), '99'],
    ['the version exists, and only its value is missing', some, '11'],
    ['no version was named', some, undefined],
    [
      'the caller may not list versions',
      () => {
        throw refusal(403, 'ERR_DENIED');
      },
      '99',
    ],
  ])('is not blamed if %s', async (_case, versions, version) => {
    await expect(get(versions, version)).rejects.toBeInstanceOf(ApiError);
  });
});

describe('a put', () => {
  const put = (answer: () => unknown, options: object = {}, verb = runPut) => {
    const broker = new ScriptedBroker({
      writeSecret: answer,
      patchSecret: answer,
    });
    const context = cliContext({ broker, stdin: 'x\n' });
    return { context, broker, done: verb(context, { args: ['a/b', 'k=-'], options }) };
  };
  const written = () => ({ path: 'a/b', version: '2', rotates: true });

  it('names the keys that it would drop, and both options', async () => {
    const detail = 'the new version would drop 2 keys: host, username';
    const { done, broker } = put(() => {
      throw refusal(409, 'ERR_CONFLICT', { detail });
    });
    await expect(done).rejects.toMatchObject({
      exitCode: 6,
      message: expect.stringMatching(
        /a\/b: the new version would drop 2 keys: host, username[^]*quaymaster patch a\/b; to drop them: --replace/,
      ),
    });
    expect(broker.asked).toMatchObject([{ query: { dropKeys: 'refuse' } }]);
  });

  it('drops them with --replace', async () => {
    const { done, broker } = put(written, { replace: true });
    await done;
    expect(broker.asked[0]).toMatchObject({ query: { dropKeys: 'allow' } });
  });

  it('says with --create that the secret exists', async () => {
    const { done } = put(
      () => {
        throw refusal(412, 'ERR_VERSION_CONFLICT');
      },
      { create: true },
    );
    await expect(done).rejects.toThrow('a/b exists already; leave out --create');
  });

  it('warns of a final newline, and that the path rotates', async () => {
    const { done, context } = put(written);
    await done;
    expect(context.err()).toContain('the value of k ends with a newline');
    expect(context.err()).toContain('a/b rotates: the next rotation replaces');
  });

  it('refuses a number in --from-json with the name of its key', async () => {
    const broker = new ScriptedBroker({});
    const context = cliContext({ broker, stdin: '{"port": 5432}' });
    const done = runPut(context, { args: ['a/b'], options: { fromJson: '-' } });
    await expect(done).rejects.toThrow('the value of port must be a string');
  });

  it('names the command that lists the keys if a patch removes an absent one', async () => {
    const detail = 'the secret has no key "nokey"';
    const refuse = () => {
      throw refusal(409, 'ERR_CONFLICT', { detail });
    };
    const { done, broker } = put(refuse, { remove: ['nokey'] }, runPatch);
    await expect(done).rejects.toMatchObject({
      exitCode: 6,
      message: expect.stringMatching(
        /^a\/b: the secret has no key "nokey"[^]*list its keys: quaymaster get a\/b$/,
      ),
    });
    expect(broker.asked).toMatchObject([{ query: { absentKeys: 'refuse' } }]);
  });

  it('sends as a patch what is set and what is removed', async () => {
    const { done, broker } = put(written, { remove: ['old'], ifVersion: '1' }, runPatch);
    await done;
    expect(broker.asked[0]).toMatchObject({
      id: 'patchSecret',
      body: { data: { k: 'x\n', old: null } },
      headers: { 'If-Match': '"1"' },
    });
  });
});

describe('a policy test', () => {
  it('uses the policies of a directory with all kinds, and reports if it has none', async () => {
    const who = 'k8s://c/n/s';
    const header = 'apiVersion: quaymaster.dev/v1\n';
    const test = `${header}kind: PolicyTest\ntests: [{who: '${who}', capability: read, path: a/b, expect: deny}]\n`;
    const mount = `${header}kind: Mount\nmetadata: {name: m}\nspec: {prefix: a, connection: embedded}\n`;
    const rules = "[{name: r, effect: allow, paths: ['x/**'], capabilities: [read]}]";
    const policy = `${header}kind: AccessPolicy\nmetadata: {name: p}\nspec:\n  subjects: [{clusters: [c], namespaces: [n], serviceAccounts: [s]}]\n  rules: ${rules}\n`;
    const root = await fileTree({
      'tests/t.yaml': test,
      'all/m.yaml': mount,
      'all/p.yaml': policy,
    });
    const run = (policies: string) => {
      const context = cliContext();
      const call = { args: [join(root, 'tests')], options: { policies: join(root, policies) } };
      return runPolicyTest(context, call).then(() => context.out());
    };
    expect(await run('all')).toContain('1 passed, 0 failed');
    await expect(run('tests')).rejects.toThrow('no document of kind AccessPolicy is there');
  });
});

describe('a broker that was never initialised', () => {
  it('names init', async () => {
    await expect(loadLogKeyFile('/nowhere/log.pem')).rejects.toThrow(
      'log key file /nowhere/log.pem: does not exist; create the missing keys and the store with: quaymaster init',
    );
  });
});

describe('an empty list', () => {
  const list = async (words: readonly string[], options: object): Promise<string> => {
    const context = cliContext({
      broker: new ScriptedBroker({ listSecrets: () => ({ items: [] }) }),
    });
    await runLs(context, { args: words, options });
    return context.err();
  };

  it('says below which prefix nothing is, and what can be listed', async () => {
    expect(await list(['nothing'], {})).toBe(
      'no secret that you may list below nothing; mounts: quaymaster mount ls\n',
    );
    expect(await list([], { deleted: true })).toBe(
      'no deleted secret that you may restore; mounts: quaymaster mount ls\n',
    );
  });
});

it('shows a broker in development mode, which has no configuration file, without an error', async () => {
  const refused = (): never => {
    throw refusal(403, 'ERR_DENIED');
  };
  const broker = new ScriptedBroker({
    readReadiness: () => ({ ready: true, reasons: [] }),
    readConfiguration: () => {
      throw refusal(409, 'ERR_CONFLICT');
    },
    listMounts: refused,
    listRotations: refused,
    listRevocations: refused,
    readStatus: refused,
    readArchive: refused,
  });
  const context = cliContext({ broker });
  await runStatus(context);
  expect(context.out()).toMatch(/^config +no file: the broker runs in development mode$/m);
});
