import {
  chmodSync,
  copyFileSync,
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, type Metafile } from 'esbuild';
import { buildConsole, BUILT } from './console.ts';
import { commonJs, escaped, options, writeChunks } from './chunks.ts';
import { manifestOf } from './packages.ts';
import { writePacks } from './packs.ts';
import { thirdParty } from './third-party.ts';
import { warmAgent, warmProgram } from './warm.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
/** `dist` by default. */
const DIST = resolve(process.argv[2] ?? join(ROOT, 'dist'));
/** Folder that gets the list of files in each bundle, for the guards; undefined: no list is written. */
const LISTS = process.argv[3];
const PROGRAM = join(DIST, 'program');
/** Folder as deep in `dist` as the modules are in the project, because they name their data files relative to themselves. */
const CHUNKS = join(PROGRAM, 'chunks');
const PACKED = [
  { entry: 'src/program/program.ts' },
  { entry: 'src/cli/run/run-verb.ts', after: 'src/program/program.ts' },
  { entry: 'src/program/verbs/init.ts', after: 'src/program/program.ts' },
  { entry: 'src/program/verbs/serve.ts', after: 'src/program/verbs/init.ts' },
  { entry: 'src/program/dev/run-dev.ts', after: 'src/program/verbs/serve.ts' },
];
const PREBUILDS = join(ROOT, 'node_modules/better-sqlite3/prebuilds');

/**
 * Writes the whole program into `dist`, which then needs nothing but Node: `quaymaster.cjs` starts the agent from `agent.cjs`, and everything else from the
 * chunks in `program`. The licences of the contained packages are in `THIRD-PARTY.txt`.
 */
async function bundle(): Promise<void> {
  mkdirSync(DIST, { recursive: true });
  for (const name of ['quaymaster.cjs', 'load-program.cjs']) {
    copyFileSync(join(ROOT, 'scripts', name), join(DIST, name));
  }
  chmodSync(join(DIST, 'quaymaster.cjs'), 0o755);
  const agent = await bundleAgent();
  for (const old of [PROGRAM, join(DIST, 'console')]) rmSync(old, { recursive: true, force: true });
  const program = await writeChunks({ program: join(ROOT, 'src/program/program.ts') }, CHUNKS);
  writePacks(program, CHUNKS, PACKED);
  const page = await buildConsole();
  copyData();
  writeLists({ agent, program });
  const packages = [...packagesIn(agent), ...packagesIn(program), ...packagesIn(page)];
  writeFileSync(join(DIST, 'THIRD-PARTY.txt'), thirdParty(packages));
  warmAgent(join(DIST, 'agent.cjs'));
  await warmProgram(CHUNKS);
}

async function bundleAgent(): Promise<Metafile> {
  const outfile = join(DIST, 'agent.cjs');
  const { metafile } = await build({
    ...options,
    ...commonJs,
    minifyWhitespace: true,
    entryPoints: [join(ROOT, 'src/delivery/agent/main.ts')],
    outfile,
  });
  writeFileSync(outfile, escaped(readFileSync(outfile, 'utf8')));
  return metafile;
}

/** Copies the files that the program reads to the paths where its chunks look for them. */
function copyData(): void {
  copyFileSync(join(ROOT, 'openapi.yaml'), join(DIST, 'openapi.yaml'));
  copyFileSync(join(ROOT, 'LICENSE'), join(DIST, 'LICENSE'));
  cpSync(join(ROOT, 'migrations'), join(DIST, 'migrations'), { recursive: true });
  const { version } = manifestOf(ROOT);
  writeFileSync(join(DIST, 'package.json'), JSON.stringify({ version, type: 'module' }));
  cpSync(BUILT, join(DIST, 'console/built'), { recursive: true });
  copySqlite();
}

/** Copies SQLite for this platform, with either C library on Linux. The other platforms have packages of their own (scripts/program-package.ts). */
function copySqlite(): void {
  const to = join(PROGRAM, 'prebuilds');
  mkdirSync(to);
  const here = new RegExp(`^${process.platform}(?:musl)?-${process.arch}\\.node$`);
  for (const name of readdirSync(PREBUILDS).filter((each) => here.test(each))) {
    copyFileSync(join(PREBUILDS, name), join(to, name));
  }
}

/** Records which files each bundle contains. No program reads them. */
function writeLists(bundles: Readonly<Record<string, Metafile>>): void {
  if (LISTS === undefined) return;
  mkdirSync(LISTS, { recursive: true });
  for (const [name, metafile] of Object.entries(bundles)) {
    writeFileSync(join(LISTS, `${name}.json`), JSON.stringify(metafile));
  }
}

/** Lists the folders of packages, relative to the root of the project. */
function packagesIn({ inputs }: Metafile): readonly string[] {
  const found = Object.keys(inputs).map(
    (path) => /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1],
  );
  return found.filter((folder) => folder !== undefined);
}

await bundle();
