import { copyFileSync, cpSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { manifestOf } from './packages.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const DIST = join(ROOT, 'dist');
const PREBUILDS = join(ROOT, 'node_modules/better-sqlite3/prebuilds');
/** Files of `dist` that the program needs. Its SQLite comes in a package for each platform. */
const FILES = [
  'quaymaster.cjs',
  'load-program.cjs',
  'agent.cjs',
  'agent.cjs.cache',
  'openapi.yaml',
  'package.json',
  'THIRD-PARTY.txt',
  'migrations',
  'program/chunks',
  'console',
];

/** Writes the package of the program, and one of SQLite for each platform, into an empty `directory`. @returns their folders */
export function writeProgramPackages(directory: string): readonly string[] {
  const platforms = readdirSync(PREBUILDS).map((name) => basename(name, '.node'));
  const sqlite = platforms.map((platform) => writeSqlite(directory, platform));
  return [writeProgram(directory, platforms), ...sqlite];
}

function writeProgram(directory: string, platforms: readonly string[]): string {
  const { version, license, description } = manifestOf(ROOT);
  const folder = join(directory, 'quaymaster');
  for (const name of FILES) {
    cpSync(join(DIST, name), join(folder, 'dist', name), { recursive: true });
  }
  copyFileSync(join(ROOT, 'LICENSE'), join(folder, 'LICENSE'));
  copyFileSync(join(ROOT, 'deploy/npm/README.md'), join(folder, 'README.md'));
  return writePackage(folder, {
    name: 'quaymaster',
    version,
    description,
    license,
    bin: { quaymaster: 'dist/quaymaster.cjs' },
    engines: { node: '>=24' },
    optionalDependencies: Object.fromEntries(
      platforms.map((platform) => [sqliteName(platform), version]),
    ),
  });
}

/** Writes SQLite for one platform. npm installs the package only where `os`, `cpu` and `libc` fit. */
function writeSqlite(directory: string, platform: string): string {
  const { version } = manifestOf(ROOT);
  const { license, version: source } = manifestOf(join(PREBUILDS, '..'));
  const [, os = '', musl, cpu = ''] = /^(\w+?)(musl)?-(\w+)$/.exec(platform) ?? [];
  const folder = join(directory, `sqlite-${platform}`);
  mkdirSync(folder, { recursive: true });
  copyFileSync(join(PREBUILDS, '../LICENSE'), join(folder, 'LICENSE'));
  copyFileSync(join(PREBUILDS, `${platform}.node`), join(folder, 'better_sqlite3.node'));
  return writePackage(folder, {
    name: sqliteName(platform),
    version,
    description: `SQLite for quaymaster on ${platform}: the binary of better-sqlite3 ${source}.`,
    license,
    main: 'better_sqlite3.node',
    os: [os],
    cpu: [cpu],
    ...(os === 'linux' && { libc: [musl ?? 'glibc'] }),
  });
}

const sqliteName = (platform: string): string => `@quaymaster/sqlite-${platform}`;

function writePackage(folder: string, manifest: object): string {
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify(manifest, undefined, 2)}\n`);
  return folder;
}
