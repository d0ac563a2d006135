import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { manifestOf } from './packages.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const DIST = join(ROOT, 'dist');
const ENTRY = join(DIST, 'client/index.js');
const PACKAGE = join(DIST, 'packages/client');

/**
 * Writes the package `@quaymaster/client` from tsc's output: the client, the modules that it imports, and their types. No module is changed, so a
 * stack trace names the files of `src`.
 */
async function writeClientPackage(): Promise<void> {
  const { version, license, dependencies = {} } = manifestOf(ROOT);
  rmSync(PACKAGE, { recursive: true, force: true });
  for (const file of await modules()) {
    copy(file);
    copy(file.replace(/\.js$/, '.d.ts'));
  }
  for (const file of typesOf(join(DIST, 'client/index.d.ts'))) copy(relative(DIST, file));
  const manifest = {
    name: '@quaymaster/client',
    version,
    description: 'Reads and follows the secrets of a Quaymaster broker.',
    license,
    type: 'module',
    engines: { node: '>=20.16' },
    exports: { types: './client/index.d.ts', default: './client/index.js' },
    dependencies: { jose: dependencies['jose'] },
  };
  writeFileSync(join(PACKAGE, 'package.json'), `${JSON.stringify(manifest, undefined, 2)}\n`);
  copyFileSync(join(ROOT, 'clients/typescript/README.md'), join(PACKAGE, 'README.md'));
  copyFileSync(join(ROOT, 'LICENSE'), join(PACKAGE, 'LICENSE'));
}

/** The client's modules, relative to `dist`. @throws if one imports a package that the manifest does not name */
async function modules(): Promise<readonly string[]> {
  const { metafile } = await build({
    entryPoints: [ENTRY],
    absWorkingDir: DIST,
    bundle: true,
    write: false,
    metafile: true,
    platform: 'node',
    format: 'esm',
    external: ['jose'],
  });
  const files = Object.keys(metafile.inputs);
  const foreign = files.find((file) => file.includes('node_modules'));
  if (foreign !== undefined) throw new Error(`the client imports ${foreign}`);
  return files;
}

const IMPORT = /(?:from|import\()\s*['"](\.[^'"]+)\.ts['"]/g;

/** The declarations that these declarations import, and so on. */
function typesOf(file: string, found = new Set<string>()): ReadonlySet<string> {
  if (found.has(file)) return found;
  found.add(file);
  for (const [, path = ''] of readFileSync(file, 'utf8').matchAll(IMPORT)) {
    typesOf(join(dirname(file), `${path}.d.ts`), found);
  }
  return found;
}

const INDENT = /^(?: {4})+/gm;

/** Declarations are indented with tabs: a third of their size is indentation, and no stack trace names them. */
function copy(file: string): void {
  const [from, to] = [join(DIST, file), join(PACKAGE, file)];
  mkdirSync(dirname(to), { recursive: true });
  if (!file.endsWith('.d.ts')) {
    copyFileSync(from, to);
    return;
  }
  const tabs = (indent: string): string => '\t'.repeat(indent.length / 4);
  writeFileSync(to, readFileSync(from, 'utf8').replaceAll(INDENT, tabs));
}

await writeClientPackage();
