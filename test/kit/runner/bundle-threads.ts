import { mkdir, readFile, rename, stat, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { options } from '../../../scripts/chunks.ts';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const BUNDLES = join(ROOT, 'node_modules/.cache/threads');
const BUILT = join(BUNDLES, 'built.json');
/** Modules of threads that a broker starts again and again. */
const THREADS = [
  'src/audit/thread/log-thread.ts',
  'src/auth/people/security-key-thread.ts',
  'src/features/copies/backup-file.ts',
  'src/features/attestations/attestation-thread.ts',
  'src/features/posture/report-thread.ts',
];
/** Some libraries in them are CommonJS. */
const REQUIRE = `import { createRequire } from 'node:module';\nconst require = createRequire(import.meta.url);`;

interface Built {
  readonly began: number;
  readonly inputs: readonly string[];
}

/**
 * Bundles the modules of threads, as the build of the program does. A start of a thread took up to 130 ms of processor time with modules from the
 * source, and takes up to 60 ms with a bundle.
 * @returns the path of each bundle, by the URL of its module
 */
export async function bundleThreads(): Promise<Readonly<Record<string, string>>> {
  if (!(await isCurrent())) await writeBundles();
  return Object.fromEntries(
    THREADS.map((name) => [
      pathToFileURL(join(ROOT, name)).href,
      join(BUNDLES, name).replace(/ts$/, 'mjs'),
    ]),
  );
}

async function writeBundles(): Promise<void> {
  const began = Date.now();
  const { metafile, outputFiles } = await build({
    ...options,
    entryPoints: THREADS,
    outbase: ROOT,
    outdir: BUNDLES,
    format: 'esm',
    outExtension: { '.js': '.mjs' },
    banner: { js: REQUIRE },
    write: false,
  });
  for (const { path, text } of outputFiles) await replaceFile(path, text);
  const inputs = [relative(ROOT, import.meta.filename), ...Object.keys(metafile.inputs)];
  await replaceFile(BUILT, JSON.stringify({ began, inputs } satisfies Built));
}

/** Reports whether no file of the bundles has changed since they were built. */
async function isCurrent(): Promise<boolean> {
  try {
    const { began, inputs } = JSON.parse(await readFile(BUILT, 'utf8')) as Built;
    const files = await Promise.all(inputs.map((path) => stat(join(ROOT, path))));
    return files.every(({ ctimeMs }) => ctimeMs < began);
  } catch {
    return false;
  }
}

/** Replaces the file at once, because threads of another run may read it. */
async function replaceFile(path: string, text: string): Promise<void> {
  const next = `${path}.${process.pid}`;
  await mkdir(dirname(path), { recursive: true });
  await writeFile(next, text);
  await rename(next, path);
}
