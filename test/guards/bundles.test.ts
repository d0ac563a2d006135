import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from '@jest/globals';

const DIST = new URL('../../dist/', import.meta.url);
const text = (name: string): string => readFileSync(new URL(name, DIST), 'utf8');

interface Output {
  readonly inputs: Readonly<Record<string, unknown>>;
  readonly entryPoint?: string;
  readonly imports: readonly {
    readonly path: string;
    readonly kind: string;
    readonly external?: boolean;
  }[];
}

type Outputs = Readonly<Record<string, Output>>;

function outputsOf(bundle: 'agent' | 'program'): Outputs {
  const file = new URL(`../node_modules/.cache/bundles/${bundle}.json`, DIST);
  return (JSON.parse(readFileSync(file, 'utf8')) as { readonly outputs: Outputs }).outputs;
}

const filesIn = (outputs: readonly Output[]): readonly string[] =>
  outputs.flatMap(({ inputs }) => Object.keys(inputs));

function packagesOf(files: readonly string[]): readonly string[] {
  const names = files.flatMap(
    (path) => /^node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1] ?? [],
  );
  return [...new Set(names)].sort();
}

/** Libraries try to load these packages, and work without them. */
const OPTIONAL = ['@node-rs/xxhash', 'bufferutil', 'cardinal', 'pg-native', 'utf-8-validate'];

/** Modules that must be beside the bundle; Node's own do not count. */
function foreignTo(outputs: Outputs): readonly string[] {
  const outside = Object.values(outputs).flatMap(({ imports }) => imports);
  const names = outside.filter(({ external }) => external === true).map(({ path }) => path);
  return [...new Set(names)].filter((path) => !isOfNode(path) && !OPTIONAL.includes(path));
}

function isOfNode(path: string): boolean {
  return process.getBuiltinModule(path) !== undefined;
}

const agent = outputsOf('agent');
const program = outputsOf('program');
const paths = filesIn(Object.values(agent));
const NOTICE = text('THIRD-PARTY.txt');

describe('the bundle of the agent', () => {
  it('has these packages and no other: no client of a backend, no server framework', () => {
    expect(packagesOf(paths)).toEqual(['jose', 'js-yaml', 'liquidjs', 'zod']);
  });

  it('has no folder of the broker', () => {
    const rooms = new Set(paths.flatMap((path) => /^src\/(\w+)\//.exec(path)?.[1] ?? []));
    expect([...rooms].sort()).toEqual([
      'client',
      'crypto',
      'delivery',
      'domain',
      'net',
      'ports',
      'process',
    ]);
    expect(
      paths.filter((path) => /^src\/process\/(?!clock\.ts|core-files\.ts)/.test(path)),
    ).toEqual([]);
    expect(paths.filter((path) => /^src\/delivery\/(csi|injector)\//.test(path))).toEqual([]);
  });

  it('comes with its compiled code', () => {
    expect(readFileSync(new URL('agent.cjs.cache', DIST)).length).toBeGreaterThan(100_000);
  });
});

/** The files that a process loaded, by what V8 did with the compiled code beside them. */
interface Loaded {
  readonly accepted: readonly string[];
  readonly refused: readonly string[];
  readonly missing: readonly string[];
}

/** The chunk that begins with a module, and the chunks that it loads at once. */
function loadedWith(entryPoint: string): readonly string[] {
  const found = new Set<string>();
  const visit = (path: string): void => {
    if (found.has(path)) return;
    found.add(path);
    for (const { path: next, kind, external } of program[path]?.imports ?? [])
      if (kind === 'import-statement' && external !== true) visit(next);
  };
  const [start = ''] =
    Object.entries(program).find(([, output]) => output.entryPoint === entryPoint) ?? [];
  visit(start);
  return [...found];
}

describe('the bundle of the program', () => {
  const atStart = ['src/program/program.ts', 'src/program/verbs/serve.ts'].flatMap(loadedWith);

  it('loads no client of a backend when a broker starts', () => {
    const files = filesIn(atStart.flatMap((path) => program[path] ?? []));
    expect(files).toContain('src/program/serving/serve.ts');
    const clients = /^(?:@aws-sdk|@kubernetes|@grpc|@redis|mysql2|pg|node-vault|liquidjs|age-)/;
    expect(packagesOf(files).filter((name) => clients.test(name))).toEqual([]);
    expect(packagesOf(filesIn(Object.values(program)))).toEqual(
      expect.arrayContaining(['@aws-sdk/client-iam', 'mysql2', 'pg', 'node-vault']),
    );
  });

  it('has the messages of zod in one language', () => {
    const files = filesIn(Object.values(program));
    const languages = files.filter((path) => path.includes('zod/v4/locales/'));
    expect(languages.map((path) => basename(path))).toEqual(['en.js']);
  });

  it('has all chunks that a broker loads at start in three files with their compiled code', () => {
    const chunks = new URL('program/chunks/', DIST);
    const entries = ['program/program.ts', 'program/verbs/init.ts', 'program/verbs/serve.ts'];
    const files = entries.map((entry) => basename(loadedWith(`src/${entry}`)[0] ?? ''));
    const texts = files.map((name) => readFileSync(new URL(name, chunks), 'latin1')).join('\n');
    const missing = atStart.filter((path) => !texts.includes(`\n"${basename(path)}": (function`));
    expect(missing).toEqual([]);
    const compiled = readdirSync(chunks);
    expect(files.filter((name) => !compiled.includes(`${name}.cache`))).toEqual([]);
  });

  it.each([
    ['serve --config /nowhere', [/^serve-/, /^init-/]],
    ['init --config /nowhere --token-file /nowhere', [/^init-/]],
    ['config check --config /nowhere', [/^check-files-/]],
    ['whoami --url http://127.0.0.1:1 --token-file /nowhere', [/^run-verb-/]],
  ])('comes with compiled code that V8 accepts in "%s"', (words, expected) => {
    const [loader, chunks] = ['load-program.cjs', 'program/chunks'].map((name) =>
      fileURLToPath(new URL(name, DIST)),
    );
    const script = `
      const [loader, chunks, words] = ${JSON.stringify([loader, chunks, words.split(' ')])};
      process.execArgv = [];
      process.argv.splice(1, Infinity, 'quaymaster', ...words);
      const found = { accepted: [], refused: [], missing: [] };
      const loaded = (name, { cachedDataRejected: isRefused }) => {
        const kind = isRefused ? 'refused' : isRefused === false ? 'accepted' : 'missing';
        found[kind].push(name);
      };
      require(loader).loadProgram(chunks, loaded).runProgram().then(() => {
        console.log(JSON.stringify(found));
        process.exitCode = 0;
      });`;
    const args = ['-e', script];
    const printed = execFileSync(process.execPath, args, { encoding: 'utf8', stdio: 'pipe' });
    const { accepted, refused, missing } = JSON.parse(printed) as Loaded;
    const names = accepted.map((path) => basename(path));
    for (const name of expected) expect(names).toContainEqual(expect.stringMatching(name));
    expect({ refused, missing }).toEqual({ refused: [], missing: [] });
  });
});

describe.each([
  ['agent', agent],
  ['program', program],
])('the bundle of the %s', (_name, outputs) => {
  it('needs only Node beside it', () => {
    expect(foreignTo(outputs)).toEqual([]);
  });

  it('comes with the licence of each package that it contains', () => {
    const packages = packagesOf(filesIn(Object.values(outputs)));
    expect(packages.filter((name) => !NOTICE.includes(`\n${name} `))).toEqual([]);
  });
});

describe('the page of the console', () => {
  const built = new URL('console/built/', DIST);
  const page = readFileSync(new URL('index.html', built), 'utf8');
  const nameIn = (pattern: RegExp): string => pattern.exec(page)?.[1] ?? '';
  const bytes = (name: string): number => readFileSync(new URL(`assets/${name}.gz`, built)).length;

  /** A script with those that it imports before it runs. Scripts of views load when a person opens them. */
  function withImports(name: string, found = new Set<string>()): ReadonlySet<string> {
    if (found.has(name)) return found;
    found.add(name);
    const script = readFileSync(new URL(`assets/${name}`, built), 'utf8');
    for (const [, imported = ''] of script.matchAll(
      /(?:from|import)"\/console\/assets\/([\w.-]+)"/g,
    ))
      withImports(imported, found);
    return found;
  }

  it('has at most 45 kB of scripts and 12 kB of style in its first view, compressed', () => {
    const scripts = [...withImports(nameIn(/assets\/(main-[\w-]+\.js)/))];
    const size = scripts.reduce((sum, name) => sum + bytes(name), 0);
    expect(scripts.some((name) => name.startsWith('editor-'))).toBe(false);
    expect(size).toBeGreaterThan(30_000);
    expect(size).toBeLessThan(45_000);
    expect(bytes(nameIn(/assets\/(style-[\w-]+\.css)/))).toBeLessThan(12_000);
  });

  it('comes with the licences of its packages', () => {
    expect(NOTICE).toMatch(/^preact \d/m);
    expect(NOTICE).toMatch(/^@preact\/signals \d/m);
    expect(NOTICE).toMatch(/^@codemirror\/view \d/m);
  });
});
