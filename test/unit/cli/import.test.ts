import { join } from 'node:path';
import { afterEach, describe, expect, it } from '@jest/globals';
import { EXIT } from '../../../src/cli/exit-codes.ts';
import { failureOf } from '../../../src/cli/failure.ts';
import { planImport, type Mapping } from '../../../src/cli/import/import-plan.ts';
import type { ImportSource } from '../../../src/cli/import/import-source.ts';
import { runImport, SourceError } from '../../../src/cli/import/run-import.ts';
import { VaultHttp } from '../../../src/cli/import/vault-http.ts';
import { VaultSource } from '../../../src/cli/import/vault-source.ts';
import { collect } from '../../../src/cli/collect.ts';
import { runImportVault } from '../../../src/cli/verbs/import.ts';
import { FakeVault } from '../../fakes/fake-vault.ts';
import { cliContext } from '../../support/cli-context.ts';
import { fastClock } from '../../support/fast-clock.ts';
import { fileTree, removeTreesAfterEach } from '../../support/file-tree.ts';
import { refusal, ScriptedBroker } from '../../support/scripted-broker.ts';

removeTreesAfterEach();

const mapping = (more: Partial<Mapping> = {}): Mapping => ({
  from: '',
  to: '',
  exact: new Map(),
  ...more,
});
const states = (sources: string[], more: Partial<Mapping>, existing: string[] = []) =>
  planImport(sources, mapping(more), new Set(existing)).map(({ target, state }) => [target, state]);

describe('the plan of an import', () => {
  it('moves whole segments from one prefix to another', () => {
    expect(states(['a/b/c', 'a/bc'], { from: 'a/b', to: 'x' })).toEqual([
      ['x/c', 'create'],
      ['x/a/bc', 'create'],
    ]);
  });

  it('leaves what is there, what is left out, and what has no name at the broker', () => {
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

  it('is refused where two would become one', () => {
    expect(() => states(['a/x', 'x'], { from: 'a' })).toThrow('would both become x');
  });
});

describe('an import', () => {
  const source = (read: ImportSource['read']): ImportSource => ({
    label: 'test',
    list: () => (async function* () {})(),
    read,
    close: () => undefined,
  });
  const plan = planImport(['a', 'b', 'c', 'd'], mapping(), new Set(['d']));

  it('only creates, so that it can be run again, and goes on after one that fails', async () => {
    const broker = new ScriptedBroker({
      writeSecret: ({ path }) => {
        if (path?.['path'] === 'a') throw refusal(412, 'ERR_VERSION_CONFLICT');
        return {};
      },
    });
    const read = (path: string) =>
      path === 'b' ? Promise.reject(new SourceError('word')) : Promise.resolve({ k: 'hunter2' });
    const context = cliContext();
    const results = await runImport(context, broker, source(read), plan);
    expect([...results].sort((x, y) => (x.source < y.source ? -1 : 1))).toEqual([
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

  it('stops when the broker does not know the caller any more', async () => {
    const broker = new ScriptedBroker({
      writeSecret: () => {
        throw refusal(401, 'ERR_UNAUTHENTICATED');
      },
    });
    const read = () => Promise.resolve({ k: 'v' });
    await expect(runImport(cliContext(), broker, source(read), plan)).rejects.toMatchObject({
      status: 401,
    });
  });
});

describe('a Vault that is walked', () => {
  const started: FakeVault[] = [];
  const start = async (): Promise<FakeVault> => {
    const vault = await FakeVault.start();
    started.push(vault);
    return vault;
  };
  afterEach(async () => {
    for (const vault of started.splice(0)) await vault.close();
  });

  const open = async (vault: FakeVault, mount: string, kv: '1' | '2', prefix = '') => {
    const access = { address: vault.address, token: 's.broker' };
    const http = new VaultHttp(access, fastClock(0, 1_000), new AbortController().signal);
    return VaultSource.open(http, { mount, kv, prefix });
  };

  it('gives every current version below a folder, and no deleted one a value', async () => {
    const vault = await start();
    vault.put('secret', 'a/one', { k: 'v', n: 1, o: { x: [true] } });
    vault.put('secret', 'a/b/two', { k: 'old' });
    vault.put('secret', 'a/b/two', { k: 'new' });
    vault.put('secret', 'gone', { k: 'v' });
    vault.remove('secret', 'gone');
    const source = await open(vault, 'secret', '2');
    expect((await collect(source.list())).toSorted()).toEqual(['a/b/two', 'a/one', 'gone']);
    expect(await source.read('a/b/two')).toEqual({ k: 'new' });
    expect(await source.read('a/one')).toEqual({ k: 'v', n: '1', o: '{"x":[true]}' });
    expect(await source.read('gone')).toBeUndefined();
  });

  it('is asked again while it is busy, and given up with a word when it stays so', async () => {
    const vault = await start();
    vault.put('old', 'x', { k: 'v' });
    let busy = 2;
    vault.fault = () => (busy-- > 0 ? { status: 503, body: { errors: ['canary'] } } : undefined);
    const source = await open(vault, 'old', '1');
    expect(await source.read('x')).toEqual({ k: 'v' });
    busy = 100;
    const failure = await source.read('x').catch((error: unknown) => error as Error);
    expect(failure).toMatchObject({ message: 'vault_status_503' });
  });

  it('ends the import where a folder may not be listed', async () => {
    const vault = await start();
    vault.tokens.clear();
    const source = await open(vault, 'secret', '2');
    await expect(collect(source.list())).rejects.toMatchObject({ exitCode: 3 });
  });

  it('is not asked in clear at another machine', () => {
    const access = { address: 'http://vault.test:8200', token: 't' };
    expect(() => new VaultHttp(access, fastClock(0, 1), new AbortController().signal)).toThrow(
      'in clear',
    );
  });
});

describe('a file for --map', () => {
  it.each([
    ['a list', '- private\n- secret\n'],
    ['a text', 'private\n'],
    ['no YAML', 'private: [\n'],
    ['a source twice', 'private: null\nprivate: x\n'],
  ])('that is %s stops the import before anything is copied', async (_what, text) => {
    const root = await fileTree({ map: text, token: 't' });
    const map = join(root, 'map');
    const broker = new ScriptedBroker({});
    const given = { address: 'http://127.0.0.1:9', mount: 'kv', kv: '2', map } as const;
    const options = { ...given, vaultTokenFile: join(root, 'token') };
    const failed = await runImportVault(cliContext({ broker }), { args: [], options }).catch(
      failureOf,
    );
    expect(failed).toMatchObject({ exitCode: EXIT.usage });
    expect((failed as { text: string }).text).toContain(`${map} is no map`);
    expect(broker.asked).toEqual([]);
  });
});
