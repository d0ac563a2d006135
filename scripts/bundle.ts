import { spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build, type BuildOptions, type Metafile } from 'esbuild';
import { thirdParty } from './third-party.ts';

const ROOT = new URL('..', import.meta.url).pathname;
/** tsc's output; `dist` by default. */
const DIST = process.argv[2] ?? join(ROOT, 'dist');

/** CommonJS, `import()` included: Node's ESM facade of `node:http` loads all of undici (measured: 25 ms and 8 MB of an agent's start). */
const options = {
  bundle: true,
  absWorkingDir: ROOT,
  platform: 'node',
  target: 'node24',
  format: 'cjs',
  supported: { 'dynamic-import': false },
  minifySyntax: true,
  minifyWhitespace: true,
  keepNames: true,
  legalComments: 'none',
  metafile: true,
  logLevel: 'warning',
} satisfies BuildOptions;

/** Bundles the agent over the output of tsc, and writes the licences of the contained code into `dist/THIRD-PARTY.txt`. */
async function bundle(): Promise<void> {
  const outfile = join(DIST, 'agent.cjs');
  const { metafile } = await build({
    ...options,
    entryPoints: [join(DIST, 'delivery/agent/main.js')],
    outfile,
  });
  writeFileSync(outfile, escaped(readFileSync(outfile, 'utf8')));
  writeFileSync(join(DIST, 'agent.meta.json'), JSON.stringify(metafile));
  writeFileSync(join(DIST, 'THIRD-PARTY.txt'), thirdParty(ROOT, packagesIn(metafile)));
  const entry = join(DIST, 'quaymaster.cjs');
  copyFileSync(join(ROOT, 'scripts/quaymaster.cjs'), entry);
  chmodSync(entry, 0o755);
  warm(outfile);
}

/**
 * ASCII alone: one other character makes V8 store the whole text in two bytes a character. Regular expressions and
 * texts contain such characters.
 */
function escaped(code: string): string {
  return code.replaceAll(
    /[^\n -~\t]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** Folders of packages, from the root of the project. */
function packagesIn({ inputs }: Metafile): readonly string[] {
  const found = Object.keys(inputs).map(
    (path) => /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1],
  );
  return [...new Set(found.filter((folder) => folder !== undefined))].sort();
}

/** Starts the program with a broker that does not exist, to write its compiled code. */
function warm(outfile: string): void {
  const directory = mkdtempSync(join(tmpdir(), 'quaymaster-warm-'));
  const token = join(directory, 'token');
  writeFileSync(token, 'none');
  const env = {
    QUAYMASTER_URL: 'http://127.0.0.1:1',
    QUAYMASTER_CLUSTER: 'none',
    QUAYMASTER_TOKEN_FILE: token,
    QUAYMASTER_DIRECTORY: join(directory, 'secrets'),
    QUAYMASTER_SECRETS: 'a/b=c:json',
    QUAYMASTER_LOG_LEVEL: 'error',
  };
  const args = [join(ROOT, 'scripts/warm.cjs'), outfile, '--once', '--timeout', '1s'];
  const { status, stderr } = spawnSync(process.execPath, args, { env, encoding: 'utf8' });
  rmSync(directory, { recursive: true });
  if (status !== UNREACHABLE)
    throw new Error(`the agent did not start as it should: ${status}\n${stderr}`);
}

const UNREACHABLE = 3;

await bundle();
