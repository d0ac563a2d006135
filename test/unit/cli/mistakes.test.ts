import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { runProgram } from '../../../src/program.ts';
import { runAuditSearch } from '../../../src/cli/verbs/audit-search.ts';
import { listDocuments } from '../../../src/cli/verbs/documents.ts';
import { failureOf } from '../../../src/cli/failure.ts';
import { ApiError } from '../../../src/client/index.ts';
import { requestLine } from '../../../src/compose/dev/run-dev.ts';
import { cliContext } from '../../kit/cli-context.ts';
import { ScriptedBroker } from '../../kit/scripted-api.ts';

/** What the program prints, for commands that fail before they call anything. */
async function mistake(...words: readonly string[]): Promise<{ text: string; code: number }> {
  process.argv = ['node', 'quaymaster', ...words];
  const code = await runProgram();
  return { text: printed, code: code ?? Number(process.exitCode ?? 0) };
}

const { argv } = process;
let printed = '';

beforeEach(() => {
  printed = '';
  const keep = (text: unknown): boolean => {
    printed += String(text);
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
  ])('%s of Vault names the command that helps', async (word, advice) => {
    const { text, code } = await mistake(word, 'x');
    expect(code).toBe(64);
    expect(text).toContain(advice);
  });
});

describe('a command of Vault', () => {
  it.each([
    ['delete', 'Usage: quaymaster rm|delete'],
    ['list', 'Usage: quaymaster ls|list'],
  ])('%s runs the matching command', async (word, usage) => {
    expect((await mistake(word, '--help')).text).toContain(usage);
  });

  it('version prints the release', async () => {
    expect(await mistake('version')).toEqual({
      text: expect.stringMatching(/^\d+\.\d+\.\d+\n$/),
      code: 0,
    });
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
    [{ action: 'secrets.read' }, '--action secrets.read: must be one of session.create, '],
    [{ code: 'DENIED' }, '--code DENIED: must be one of ERR_REQUEST_INVALID, '],
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
