import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { UnreachableError } from '../../../../src/client/index.ts';
import { EXIT } from '../../../../src/cli/kernel/errors.ts';
import { failureOf } from '../../../../src/cli/output/failure.ts';
import { planImport, keepExisting, type Mapping } from '../../../../src/cli/import/import-plan.ts';
import { SourceError, type ImportSource } from '../../../../src/cli/import/import-source.ts';
import { runImport } from '../../../../src/cli/import/run-import.ts';
import { Interrupted } from '../../../../src/cli/kernel/errors.ts';
import { runImportVault } from '../../../../src/cli/verbs/import.ts';
import { FakeVault } from '../../../kit/fakes/fake-vault.ts';
import { cliContext } from '../../../kit/cli/cli-context.ts';
import { fileTree, removeTreesAfterEach } from '../../../kit/files/file-tree.ts';
import { refusal, ScriptedBroker } from '../../../kit/cli/scripted-api.ts';

removeTreesAfterEach();

const mapping = (more: Partial<Mapping> = {}): Mapping => ({
  from: '',
  to: '',
  exact: new Map(),
  ...more,
});
const planOf = (sources: string[], more: Partial<Mapping> = {}, existing: string[] = []) =>
  keepExisting(
    planImport(
      sources.map((path) => ({ path })),
      mapping(more),
    ),
    new Set(existing),
  );
const states = (...given: Parameters<typeof planOf>) =>
  planOf(...given).map(({ target, state }) => [target, state]);

describe('the plan of an import', () => {
  it('moves whole segments from one prefix to another', () => {
    expect(states(['a/b/c', 'a/bc'], { from: 'a/b', to: 'x' })).toEqual([
      ['x/c', 'create'],
      ['x/a/bc', 'create'],
    ]);
  });

  it('keeps existing secrets, and skips those that are excluded or have no valid name', () => {
    const exact = new Map([
      ['odd name', 'odd'],
      ['private', null],
    ]);
    expect(states(['a', 'odd name', 'private', 'käse', 'x//y'], { exact }, ['a'])).toEqual([
      ['a', 'exists'],
      ['odd', 'create'],
      [undefined, 'left out'],
      ['käse', 'unnameable'],
      ['x//y', 'unnameable'],
    ]);
  });

  it('is refused if two sources have the same target', () => {
    expect(() => states(['a/x', 'x'], { from: 'a' })).toThrow('would both become x');
  });

  it('lists unreadable sources, unless they are excluded', () => {
    const sources = [
      { path: 'a/..', unreadable: 'dot_name' },
      { path: 'b/.', unreadable: 'dot_name' },
    ];
    const plan = planImport(sources, mapping({ exact: new Map([['b/.', null]]) }));
    expect(plan.map(({ state, code }) => [state, code])).toEqual([
      ['unreadable', 'dot_name'],
      ['left out', undefined],
    ]);
  });
});

describe('an import', () => {
  const source = (read: ImportSource['read']): ImportSource => ({
    label: 'test',
    list: () => (async function* () {})(),
    read,
    close: () => undefined,
  });
  const plan = planOf(['a', 'b', 'c', 'd'], {}, ['d']);

  it('creates and never replaces, so that it can be run again, and continues after a failed secret', async () => {
    const broker = new ScriptedBroker({
      writeSecret: ({ path }) => {
        if (path?.['path'] === 'a') throw refusal(412, 'ERR_VERSION_CONFLICT');
        return {};
      },
    });
    const read = (path: string) =>
      path === 'b'
        ? Promise.reject(new SourceError('word'))
        : Promise.resolve({ data: { k: 'hunter2' } });
    const context = cliContext();
    const { results, stoppedBy } = await runImport(context, broker, source(read), plan);
    expect(stoppedBy).toBeUndefined();
    expect(results).toEqual([
      { source: 'a', target: 'a', outcome: 'exists' },
      { source: 'b', target: 'b', outcome: 'failed', code: 'word' },
      { source: 'c', target: 'c', outcome: 'created' },
      { source: 'd', target: 'd', outcome: 'exists' },
    ]);
    expect(broker.asked.map(({ headers }) => headers)).toEqual(
      broker.asked.map(() => ({ 'If-None-Match': '*' })),
    );
    expect(context.out() + context.err()).not.toContain('hunter2');
  });

  const outcomes = async (
    answer: (path: string | undefined) => unknown,
    context = cliContext(),
    read: ImportSource['read'] = () => Promise.resolve({ data: { k: 'v' } }),
  ) => {
    const broker = new ScriptedBroker({ writeSecret: ({ path }) => answer(path?.['path']) });
    const many = planOf(['a', 'b', 'c', 'd', 'e', 'f'], {}, ['f']);
    const { results, stoppedBy } = await runImport(context, broker, source(read), many);
    const words = results.map(({ outcome, code }) => code ?? outcome);
    return { words, stoppedBy, sent: broker.asked.length };
  };

  it.each([
    ['does not know the caller any more', 401, 'ERR_UNAUTHENTICATED'],
    ['cannot now', 503, 'ERR_SEALED'],
  ])('starts no further copy when the broker %s', async (_what, status, code) => {
    const { words, stoppedBy } = await outcomes(() => {
      throw refusal(status, code);
    });
    expect(words).toEqual([code, code, code, code, 'not reached', 'exists']);
    expect(stoppedBy).toMatchObject({ status });
  });

  it('waits for copies in progress when it is interrupted, and reports the rest', async () => {
    const ended = new AbortController();
    const context = cliContext({ signal: ended.signal });
    const interrupted = new Interrupted(EXIT.interrupted);
    const { words, stoppedBy } = await outcomes((path) => {
      if (path !== 'a') return {};
      ended.abort(interrupted);
      throw interrupted;
    }, context);
    expect(words).toEqual(['not known', 'created', 'created', 'created', 'not reached', 'exists']);
    expect(stoppedBy).toBe(interrupted);
  });

  it('writes no value that was read before an interruption', async () => {
    const ended = new AbortController();
    const context = cliContext({ signal: ended.signal });
    const read = () => {
      ended.abort(new Interrupted(EXIT.interrupted));
      return Promise.resolve({ data: { k: 'v' } });
    };
    const { words, sent } = await outcomes(() => ({}), context, read);
    expect(sent).toBe(0);
    expect(new Set(words)).toEqual(new Set(['not reached', 'exists']));
  });

  it('copies custom metadata of the secrets that it creates only', async () => {
    const broker = new ScriptedBroker({
      writeSecret: ({ path }) => {
        if (path?.['path'] === 'a') throw refusal(412, 'ERR_VERSION_CONFLICT');
        return {};
      },
      describeSecret: ({ path }) => {
        if (path?.['path'] === 'c') throw refusal(400, 'ERR_BODY_INVALID');
        return {};
      },
    });
    const customMetadata = { owner: 'pay' };
    const read = () => Promise.resolve({ data: { k: 'v' }, customMetadata });
    const { results } = await runImport(cliContext(), broker, source(read), plan);
    expect(results.map(({ target, outcome }) => [target, outcome])).toEqual([
      ['a', 'exists'],
      ['b', 'created'],
      ['c', 'no metadata'],
      ['d', 'exists'],
    ]);
    const described = broker.asked.filter(({ id }) => id === 'describeSecret');
    expect(described.map(({ path, body }) => [path?.['path'], body])).toEqual([
      ['b', { customMetadata }],
      ['c', { customMetadata }],
    ]);
  });

  it('reports an unknown outcome if the broker may have committed', async () => {
    const { words } = await outcomes((path) => {
      if (path === 'a') throw refusal(503, 'ERR_OUTCOME_UNKNOWN');
      return {};
    });
    expect(words[0]).toBe('ERR_OUTCOME_UNKNOWN');
    const { words: lost, stoppedBy } = await outcomes((path) => {
      if (path === 'a') throw new UnreachableError('cut_off', 'x');
      return {};
    });
    expect(lost[0]).toBe('not known');
    expect(stoppedBy).toBeInstanceOf(UnreachableError);
  });
});

describe('import vault', () => {
  let vault: FakeVault;
  beforeEach(async () => {
    vault = await FakeVault.start();
    vault.put('secret', 'team/db', { k: 'hunter2' });
    vault.put('secret', 'team/key', { k: 'hunter2' });
  });
  afterEach(() => vault.close());

  const run = async (given: {
    readonly map?: string;
    readonly options?: object;
    readonly existing?: readonly string[];
    readonly write?: () => unknown;
    readonly unwritable?: string;
  }) => {
    const { map, existing = [], write = () => ({}), unwritable } = given;
    const root = await fileTree({ map: map ?? '', token: 's.broker' });
    const broker = new ScriptedBroker({
      listSecrets: ({ query }) => {
        const { prefix = '' } = query as { readonly prefix?: string };
        return {
          items: existing.filter((path) => path.startsWith(`${prefix}/`)).map((path) => ({ path })),
        };
      },
      writeSecret: write,
    });
    const context = cliContext({ broker, ...(unwritable !== undefined && { unwritable }) });
    const place = { address: vault.address, mount: 'secret', kv: '2', from: 'team', to: 'own' };
    const files = {
      vaultTokenFile: join(root, 'token'),
      ...(map !== undefined && { map: join(root, 'map') }),
    };
    const options = { ...place, ...files, yes: true, ...given.options } as const;
    const outcome = await runImportVault(context, {
      args: [],
      options: options as Parameters<typeof runImportVault>[1]['options'],
    }).then(
      (exitCode) => ({ exitCode, text: '' }),
      (error: unknown) => failureOf(error),
    );
    const said = `${context.out()}${context.err()}${outcome.text}`;
    expect(said).not.toContain('hunter2');
    const written = broker.asked.filter(({ id }) => id === 'writeSecret');
    return { ...outcome, said, written: written.map(({ path }) => path?.['path']), root };
  };

  it('finds existing secrets at the targets of the map', async () => {
    const map = 'team/db: elsewhere/db\n';
    const existing = ['elsewhere/db', 'own/other'];
    const dry = await run({ map, existing, options: { dryRun: true } });
    expect(dry.said).toMatch(/team\/db +elsewhere\/db +exists\n/);
    expect(await run({ map, existing })).toMatchObject({ exitCode: 0, written: ['own/key'] });
  });

  it.each([
    ['a list', '- private\n- secret\n', 'is not a mapping file'],
    ['a text', 'private\n', 'is not a mapping file'],
    ['no YAML', 'private: [\n', 'is not a mapping file'],
    ['a source twice', 'private: null\nprivate: x\n', 'is not a mapping file'],
    ['two maps', 'team/db: null\n---\nteam/key: null\n', 'is not a mapping file'],
    ['full of anchors', 'team/db: &a null\n', 'is not a mapping file'],
    [
      'misspelt',
      'team/db: null\nteam/kay: null\n',
      'map:2:11: team/kay: the source has no secret of this name',
    ],
    ['without a path', 'team/db: own/a b\n', 'map:1:10: team/db: the target must be a path'],
    ['without a text', 'team/db: { x: 1 }\n', 'map:1:10: team/db: the target must be a path'],
  ])('stops before the first copy if the file of --map is %s', async (_what, map, said) => {
    const { exitCode, text, written } = await run({ map });
    expect({ exitCode, written }).toEqual({ exitCode: EXIT.usage, written: [] });
    expect(text).toContain(said);
  });

  it('accepts an empty file as an empty map, and any name of a source', async () => {
    expect(await run({ map: '' })).toMatchObject({ exitCode: 0 });
    vault.put('secret', '__proto__', { k: 'v' });
    const map = '__proto__: null\nteam/db: null\n';
    const all = await run({ map, options: { from: '' } });
    expect(all).toMatchObject({ exitCode: 0, written: ['own/team/key'] });
  });

  it('continues after a secret that is too large, lists it, and exits with 1', async () => {
    vault.fault = ({ target }, response) => {
      if (!target.endsWith('/data/team/db')) return undefined;
      response.end(`{"x":"${'x'.repeat(16 * 1024 * 1024)}"}`);
      return 'handled';
    };
    const { exitCode, said, written } = await run({});
    expect({ exitCode, written }).toEqual({ exitCode: EXIT.failed, written: ['own/key'] });
    expect(said).toMatch(/team\/db +own\/db +vault_too_large\n\n1 copied/);
  });

  it.each([{}, { dryRun: true }])(
    'fails if no secret is below --from, as with %j',
    async (options) => {
      const { exitCode, text, written } = await run({ options: { ...options, from: 'taem' } });
      expect({ exitCode, written }).toEqual({ exitCode: EXIT.notFound, written: [] });
      expect(text).toBe(
        'KV 2 at secret/ has nothing below "taem"; --from is a folder by its name at the source, and without --from everything is copied',
      );
    },
  );

  it('accepts an empty engine, and refuses a missing one', async () => {
    vault.fault = ({ target }) =>
      target.endsWith('/metadata/?list=true') ? { status: 404, body: { errors: [] } } : undefined;
    expect(await run({ options: { from: '' } })).toMatchObject({ exitCode: 0, written: [] });
    vault.fault = undefined;
    const { exitCode, text } = await run({ options: { from: '', mount: 'sceret' } });
    expect(exitCode).toBe(EXIT.notFound);
    expect(text).toBe(
      'Vault has no KV engine at sceret/; check --mount, the path of the engine, and --kv, its version',
    );
  });

  it('lists names that a request cannot contain, and exits with 1', async () => {
    vault.fault = ({ target }) =>
      target.endsWith('?list=true')
        ? { status: 200, body: { data: { keys: ['..', 'key'] } } }
        : undefined;
    const { exitCode, said, written } = await run({});
    expect({ exitCode, written }).toEqual({ exitCode: EXIT.failed, written: ['own/key'] });
    expect(said).toContain('1 cannot be read');
    expect(said).toMatch(/team\/\.\. +- +dot_name\n/);
  });

  it('stops if a folder contains itself, names it, and copies nothing (ED09)', async () => {
    let lists = 0;
    vault.fault = ({ target }) => {
      if (!target.endsWith('?list=true')) return undefined;
      lists += 1;
      return { status: 200, body: { data: { keys: ['key', 'again/', 'more/'] } } };
    };
    const { exitCode, text, written } = await run({});
    expect({ exitCode, written }).toEqual({ exitCode: EXIT.failed, written: [] });
    expect(text).toMatch(
      /^stopped listing at "team(\/again){33}": Vault has folders more than 32 deep/,
    );
    expect(lists).toBe(33);
  });

  it('stops at a list that is larger than the limit of an import (ED09)', async () => {
    const keys = Array.from({ length: 100_001 }, (_, index) => `k${index}`);
    vault.fault = ({ target }) =>
      target.endsWith('?list=true') ? { status: 200, body: { data: { keys } } } : undefined;
    const { exitCode, text, written } = await run({});
    expect({ exitCode, written }).toEqual({ exitCode: EXIT.failed, written: [] });
    expect(text).toContain('stopped listing at "team": Vault has more than 100000 names');
  });

  /** The answers of a hostile server to lists, by folder; each other folder is empty. */
  const listing = (keysOf: (folder: string, count: number) => unknown) => {
    let count = 0;
    vault.fault = ({ target }) => {
      if (!target.endsWith('?list=true')) return undefined;
      count += 1;
      const folder = decodeURIComponent(/metadata\/(.*)\/\?list/.exec(target)?.[1] ?? '');
      return { status: 200, body: { data: { keys: keysOf(folder, count) } } };
    };
    return () => count;
  };

  it.each<[string, (folder: string, count: number) => unknown]>([
    ['contains itself under another name each time', (_folder, count) => [`f${count}/`]],
    ['contains its parent by two names in turn', (_folder, count) => [count % 2 ? 'a/' : 'b/']],
    ['contains itself behind a thousand names', () => [...names(1_000), 'again/']],
    ['contains itself in the middle of a wide tree', () => ['x/', 'y/', 'z/']],
    ['contains itself by a name of slashes in Unicode', () => ['\u2215/', '\uFF0F/']],
    ['contains itself by the name of a secret', () => ['key', 'key/']],
    ['contains itself by a percent-encoded name', () => ['%2e%2e/', '%2f/']],
    ['contains itself by names that normalise to one', () => ['\u00e9/', 'e\u0301/']],
    ['contains itself by a long name', () => [`${'n'.repeat(60)}/`]],
    ['contains itself where it is asked for below the map', () => ['team/', 'own/']],
  ])('stops within its depth if a folder %s (ED09)', async (_what, keysOf) => {
    const count = listing(keysOf);
    const { exitCode, text, written } = await run({});
    expect({ exitCode, written }).toEqual({ exitCode: EXIT.failed, written: [] });
    expect(text).toContain('Vault has folders more than 32 deep; copy a part with --from');
    expect(count()).toBe(33);
  });

  it.each<[string, unknown]>([
    ['relative names', ['..', '../', '.', './']],
    ['names with slashes', ['a/b', '/etc', '../../other/db', 'a//']],
    ['empty names', ['', '/']],
    ['names with control characters', ['a\u0000', 'b\r\nHost: x/']],
    ['names that are not Unicode', ['\uD800', 'a\uDC00/']],
    ['names that are too long', ['n'.repeat(3_000), `${'n'.repeat(3_000)}/`]],
  ])('follows no folder and reads no secret of %s (ED09)', async (_what, keys) => {
    const count = listing((_folder, asked) => (asked === 1 ? keys : ['key']));
    const { exitCode, said, written } = await run({});
    expect({ exitCode, written }).toEqual({ exitCode: EXIT.failed, written: [] });
    expect(said).toMatch(/\d cannot be read/);
    expect(count()).toBe(1);
  });

  it.each<[string, unknown]>([
    ['no array', { key: true }],
    ['numbers', [1, 2]],
    ['lists within lists', [['key']]],
    ['nothing', null],
  ])('stops if a list is %s', async (_what, keys) => {
    listing(() => keys);
    const { exitCode, text, written } = await run({});
    expect({ exitCode, written }).toEqual({ exitCode: EXIT.failed, written: [] });
    expect(text).toBe('cannot list folder "team": unexpected response from Vault (status 200)');
  });

  it('counts a name that a list repeats once', async () => {
    listing(() => Array<string>(150_000).fill('key'));
    expect(await run({})).toMatchObject({ exitCode: 0, written: ['own/key'] });
  });

  it('reports its progress if its results cannot be written', async () => {
    const { exitCode, text } = await run({ unwritable: 'ENOSPC' });
    expect(exitCode).toBe(EXIT.failed);
    expect(text).toMatch(/ENOSPC.*\n2 copied, 0 possibly copied, 0 not reached/);
  });

  it('reports its progress if an error stops it', async () => {
    const { exitCode, text, said } = await run({
      write: () => {
        throw refusal(401, 'ERR_UNAUTHENTICATED');
      },
    });
    expect(exitCode).toBe(EXIT.refused);
    expect(text).toContain('run quaymaster login again');
    expect(text).toContain('0 copied, 0 possibly copied, 0 not reached; run the command again');
    expect(said).toMatch(/team\/db +own\/db +ERR_UNAUTHENTICATED\n/);
  });
});

function names(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `n${index}`);
}
