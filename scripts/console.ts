import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import { build, type Metafile, type OutputFile } from 'esbuild';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const SOURCE = join(ROOT, 'console');
/** The broker reads the files from here. */
export const BUILT = join(SOURCE, 'built');
const ASSETS = '/console/assets/';

/**
 * Builds the page of the console: scripts and style with the hash of their content in the name, each also compressed, and the page that names
 * them. The broker compresses nothing.
 */
export async function buildConsole(): Promise<Metafile> {
  if (!existsSync(join(ROOT, 'node_modules/preact')))
    throw new Error('packages of package-lock.json are not installed: run npm ci');
  const { metafile, outputFiles } = await build({
    absWorkingDir: ROOT,
    entryPoints: { main: join(SOURCE, 'src/main.tsx'), style: join(SOURCE, 'style.css') },
    bundle: true,
    splitting: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    jsx: 'automatic',
    jsxImportSource: 'preact',
    entryNames: '[name]-[hash]',
    chunkNames: '[name]-[hash]',
    outdir: join(BUILT, 'assets'),
    publicPath: ASSETS,
    legalComments: 'none',
    metafile: true,
    logLevel: 'warning',
    write: false,
  });
  rmSync(BUILT, { recursive: true, force: true });
  mkdirSync(join(BUILT, 'assets'), { recursive: true });
  for (const { path, contents } of outputFiles) writeAsset(path, contents);
  const icon = readFileSync(join(SOURCE, 'icon.svg'));
  const iconName = `icon-${hashOf([icon])}.svg`;
  writeAsset(join(BUILT, 'assets', iconName), icon);
  const page = readFileSync(join(SOURCE, 'index.html'), 'utf8')
    .replace('BUILD', hashOf([icon, ...outputFiles.map(({ contents }) => contents)]))
    .replace('ICON', ASSETS + iconName)
    .replace('STYLE', ASSETS + nameOf(outputFiles, 'style-'))
    .replace('SCRIPT', ASSETS + nameOf(outputFiles, 'main-'));
  writeFileSync(join(BUILT, 'index.html'), page);
  return metafile;
}

function nameOf(files: readonly OutputFile[], start: string): string {
  const names = files.map(({ path }) => basename(path));
  const found = names.find((name) => name.startsWith(start));
  if (found === undefined) throw new Error(`esbuild wrote no file ${start}*: ${names.join(', ')}`);
  return found;
}

function hashOf(contents: readonly Uint8Array[]): string {
  const hash = createHash('sha256');
  for (const each of contents) hash.update(each);
  return hash.digest('hex').slice(0, 12);
}

function writeAsset(path: string, contents: Uint8Array): void {
  writeFileSync(path, contents);
  writeFileSync(`${path}.gz`, gzipSync(contents, { level: 9 }));
  const size = { [constants.BROTLI_PARAM_SIZE_HINT]: contents.length };
  writeFileSync(`${path}.br`, brotliCompressSync(contents, { params: size }));
}

if (import.meta.main) await buildConsole();
