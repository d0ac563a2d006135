import { mkdirSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, transform, type BuildOptions, type Metafile } from 'esbuild';
import { leaveOutUnused } from './unused-parts.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

/**
 * Format CommonJS, `import()` included: Node's ESM facade of `node:http` loads all of undici (measured: 25 ms and 8 MB of an
 * agent's start).
 */
export const commonJs = { format: 'cjs', supported: { 'dynamic-import': false } } as const;
export const options = {
  absWorkingDir: ROOT,
  bundle: true,
  platform: 'node',
  target: 'node24',
  // Not keepNames: it calls Object.defineProperty for each closure that a request creates (measured: a fifth of a batch). Names stay, because none is minified.
  minifySyntax: true,
  legalComments: 'none',
  metafile: true,
  logLevel: 'warning',
} satisfies BuildOptions;

/**
 * Writes the chunks. Each `import()` of the source begins one, so a broker loads only the libraries of the backends that its
 * configuration names. esbuild splits only ES modules, so the chunks become CommonJS in a second step. Their lines stay as they
 * are, for stack traces.
 */
export async function writeChunks(
  entryPoints: Readonly<Record<string, string>>,
  directory: string,
): Promise<Metafile> {
  const { metafile, outputFiles } = await build({
    ...options,
    entryPoints: { ...entryPoints },
    plugins: [leaveOutUnused],
    format: 'esm',
    splitting: true,
    outExtension: { '.js': '.cjs' },
    outdir: directory,
    write: false,
  });
  mkdirSync(directory, { recursive: true });
  const ofLibraries = commonJsEntries(metafile);
  for (const { path, text } of outputFiles) {
    const code = await asCommonJs(text, ofLibraries.has(basename(path)));
    writeFileSync(path, escaped(code));
  }
  return metafile;
}

/** Chunks that begin with a CommonJS module: their only export is its `module.exports`, as `default`. */
function commonJsEntries({ inputs, outputs }: Metafile): ReadonlySet<string> {
  const found = Object.entries(outputs).filter(
    ([, { entryPoint = '' }]) => inputs[entryPoint]?.format === 'cjs',
  );
  return new Set(found.map(([path]) => basename(path)));
}

const OWN_FILE = /^\/\/ (?=src\/)/gm;
/** Node gives the importer of a CommonJS module its exports by their names too. */
const NAMED_EXPORTS =
  'module.exports = { __esModule: true, ...module.exports.default, default: module.exports.default };\n';
const MODULE_URL = 'require("node:url").pathToFileURL(__filename).href';

async function asCommonJs(text: string, isOfLibrary: boolean): Promise<string> {
  const { code } = await transform(text.replaceAll(OWN_FILE, '//! '), {
    ...commonJs,
    platform: 'node',
    target: 'node24',
    // Which file of the source a line is from.
    legalComments: 'inline',
    define: { 'import.meta.url': 'moduleUrl' },
    logLevel: 'warning',
  });
  const url = code.includes('moduleUrl') ? `const moduleUrl = ${MODULE_URL};\n` : '';
  return `${url}${code}${isOfLibrary ? NAMED_EXPORTS : ''}`;
}

/**
 * ASCII alone: one other character makes V8 store the whole text in two bytes a character. Regular expressions and
 * texts contain such characters.
 */
export function escaped(code: string): string {
  return code.replaceAll(
    /[^\n -~\t]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
