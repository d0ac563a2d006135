import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { licenceList, licencesIn, licenceText, manifestOf } from './packages.ts';
import { writeProgramPackages } from './program-package.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
/** Folder of the release's files; default: `dist/release`. */
const OUT = process.argv[2] ?? join(ROOT, 'dist/release');

/** Licences that allow distribution with the program. Another one needs a decision first. */
const ALLOWED = new Set([
  '0BSD',
  'Apache-2.0',
  'BSD-3-Clause',
  'BlueOak-1.0.0',
  'ISC',
  'MIT',
  'PSF-2.0',
  'Unlicense',
]);

interface Bom {
  readonly metadata: { readonly component: { name: string } };
  components: readonly {
    readonly 'bom-ref': string;
    readonly properties?: readonly { readonly name: string }[];
    readonly hashes?: readonly object[];
  }[];
  dependencies: readonly { readonly ref: string; readonly dependsOn?: readonly string[] }[];
}

/** Writes everything that a release publishes, from the build in `dist`: internals/releasing.md. */
function writeRelease(): void {
  rmSync(OUT, { recursive: true, force: true });
  mkdirSync(OUT, { recursive: true });
  const { version } = manifestOf(ROOT);
  packAll();
  python(join(ROOT, 'clients/python/build_wheel.py'), OUT);
  write(`quaymaster-${version}.cdx.json`, billOfMaterials());
  write(`quaymaster-${version}.licences.txt`, licences());
  write('SHA256SUMS', checksums());
  process.stdout.write(`The release ${version} is in ${OUT}:\n${sizes()}\n`);
}

function sizes(): string {
  const lines = readdirSync(OUT).map((name) => {
    const kilobytes = Math.ceil(statSync(join(OUT, name)).size / 1024);
    return `${String(kilobytes).padStart(8)} kB  ${name}`;
  });
  return lines.join('\n');
}

function packAll(): void {
  const scratch = mkdtempSync(join(tmpdir(), 'quaymaster-release-'));
  try {
    const folders = [...writeProgramPackages(scratch), join(ROOT, 'dist/packages/client')];
    npm('pack', '--pack-destination', OUT, ...folders);
  } finally {
    rmSync(scratch, { recursive: true });
  }
}

function npm(...args: readonly string[]): string {
  return execFileSync('npm', args, {
    cwd: ROOT,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
}

/** Runs a program that needs Python's standard library only. @throws with a hint if Python is missing */
function python(...args: readonly string[]): void {
  try {
    execFileSync('python3', args, { stdio: ['ignore', 'ignore', 'inherit'] });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    throw new Error('python3 is not on PATH: install Python 3.9 or later, which builds the wheel', {
      cause: error,
    });
  }
}

/**
 * CycloneDX 1.5, of the lock file: each package with its version, licence and SHA-512. `npm sbom --omit=dev` leaves out packages that a development
 * dependency needs too (npm 11.19), so the development packages are removed here. @throws for a package without a hash
 */
function billOfMaterials(): string {
  const text = npm('sbom', '--sbom-format=cyclonedx', '--package-lock-only');
  const bom = JSON.parse(text) as Bom;
  bom.components = bom.components.filter(
    ({ properties = [] }) => !properties.some(({ name }) => name === 'cdx:npm:package:development'),
  );
  const kept = new Set(bom.components.map((each) => each['bom-ref']));
  bom.dependencies = bom.dependencies
    .filter(({ ref }, index) => index === 0 || kept.has(ref))
    .map((each) => ({ ...each, dependsOn: each.dependsOn?.filter((ref) => kept.has(ref)) ?? [] }));
  const open = bom.components.find(({ hashes = [] }) => hashes.length === 0);
  if (open !== undefined) throw new Error(`${open['bom-ref']} has no hash in the lock file`);
  // npm writes the name of the folder.
  bom.metadata.component.name = 'quaymaster';
  return `${JSON.stringify(bom, undefined, 2)}\n`;
}

/** The licence of each package that the program needs at run time. @throws for a licence that is not allowed */
function licences(): string {
  const listed = npm('ls', '--omit=dev', '--all', '--parseable').trim().split('\n').slice(1);
  const folders = [...new Set(listed)].sort();
  const parts = folders.map((folder) => {
    const manifest = manifestOf(folder);
    const [allowed] = licencesIn(manifest).filter((each) => ALLOWED.has(each));
    if (allowed === undefined)
      throw new Error(`${manifest.name}: ${licencesIn(manifest).join(', ')} is not allowed`);
    const text = licenceText(folder) ?? 'The package contains no text of its licence.';
    const heading = `${manifest.name} ${manifest.version} (${allowed})\n${relative(ROOT, folder)}`;
    return { heading, text };
  });
  return licenceList(parts);
}

/** Formats checksums like sha256sum. */
function checksums(): string {
  return readdirSync(OUT)
    .sort()
    .map((name) => `${sha256(join(OUT, name))}  ${name}\n`)
    .join('');
}

function sha256(file: string): string {
  return createHash('sha256').update(readFileSync(file)).digest('hex');
}

function write(name: string, text: string): void {
  writeFileSync(join(OUT, name), text);
}

writeRelease();
