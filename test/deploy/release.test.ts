import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { describeWithProgram } from '../kit/backends/describe-with-program.ts';
import { textOf } from '../kit/pages/tracked-files.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const { version, dependencies } = JSON.parse(textOf('package.json')) as {
  readonly version: string;
  readonly dependencies: Readonly<Record<string, string>>;
};
const run = promisify(execFile);
/** Platforms for which better-sqlite3 has binaries. */
const PLATFORMS = readdirSync(join(ROOT, 'node_modules/better-sqlite3/prebuilds'))
  .map((name) => name.replace('.node', ''))
  .sort();
const HERE = `${process.platform}-${process.arch}`;

const directory = mkdtempSync(join(tmpdir(), 'qm-release-'));
const release = join(directory, 'release');
const file = (name: string): string => join(release, name);

afterAll(() => rmSync(directory, { recursive: true }));

const configIn = (folder: string): object => ({
  listener: { host: '127.0.0.1', port: 0 },
  store: { type: 'sqlite', path: join(folder, 'store/quaymaster.db') },
  kek: { type: 'local-file', path: join(folder, 'keys/kek') },
  audit: {
    origin: 'quaymaster.invalid/release',
    logKeyFile: join(folder, 'keys/log.pem'),
    checkpointFile: join(folder, 'keys/checkpoint'),
  },
});

describeWithProgram('python3', 'the files of a release', (python) => {
  beforeAll(async () => {
    await run(process.execPath, [join(ROOT, 'scripts/release.ts'), release]);
  });

  it('are a program with SQLite for each platform, a client for Node, one for Python, a bill of materials and licences, each with its digest', () => {
    const lines = readFileSync(file('SHA256SUMS'), 'utf8').trimEnd().split('\n');
    expect(lines.map((line) => line.slice(66))).toEqual([
      `quaymaster-${version}-py3-none-any.whl`,
      `quaymaster-${version}.cdx.json`,
      `quaymaster-${version}.licences.txt`,
      `quaymaster-${version}.tgz`,
      `quaymaster-client-${version}.tgz`,
      ...PLATFORMS.map((platform) => `quaymaster-sqlite-${platform}-${version}.tgz`),
    ]);
    for (const line of lines) {
      const digest = createHash('sha256')
        .update(readFileSync(file(line.slice(66))))
        .digest('hex');
      expect(line.slice(0, 64)).toBe(digest);
    }
  });

  it('have a program of at most 40 MB that opens a store, with the one package that npm selects for this platform', async () => {
    const consumer = join(directory, 'consumer');
    const install = ['install', '--no-audit', '--no-fund', '--offline', '--prefix', consumer];
    const packages = [`quaymaster-${version}.tgz`, `quaymaster-sqlite-${HERE}-${version}.tgz`].map(
      file,
    );
    await run('npm', [...install, ...packages]);

    const { stdout: size } = await run('du', ['-sm', join(consumer, 'node_modules')]);
    expect(Number.parseInt(size, 10)).toBeLessThanOrEqual(40);
    expect(readdirSync(join(consumer, 'node_modules/quaymaster')).sort()).toEqual([
      'LICENSE',
      'README.md',
      'dist',
      'package.json',
    ]);
    const program = join(consumer, 'node_modules/.bin/quaymaster');
    const { stdout } = await run(process.execPath, [program, '--version']);
    expect(stdout).toContain(version);
    const config = join(consumer, 'config.yaml');
    writeFileSync(config, JSON.stringify(configIn(consumer)), { mode: 0o600 });
    const init = ['init', '--config', config, '--token-file', join(consumer, 'token')];
    await run(process.execPath, [program, ...init]);
    expect(readdirSync(join(consumer, 'store'))).toContain('quaymaster.db');
    rmSync(join(consumer, 'node_modules/@quaymaster'), { recursive: true });
    const remedy = `npm install @quaymaster/sqlite-${HERE}@${version}; from the files of a release: npm install ./quaymaster-sqlite-${HERE}-${version}.tgz`;
    await expect(
      run(process.execPath, [program, ...init.slice(0, 4), `${consumer}/other`]),
    ).rejects.toMatchObject({ stderr: expect.stringContaining(remedy) as unknown });
  });

  it('name each dependency with version, licence and SHA-512', () => {
    const bom = JSON.parse(readFileSync(file(`quaymaster-${version}.cdx.json`), 'utf8')) as {
      readonly bomFormat: string;
      readonly components: readonly {
        readonly 'bom-ref': string;
        readonly hashes: readonly { readonly alg: string }[];
      }[];
    };
    expect(bom.bomFormat).toBe('CycloneDX');
    const refs = bom.components.map((each) => each['bom-ref']);
    const direct = Object.entries(dependencies).map(([name, at]) => `${name}@${at}`);
    expect(refs).toEqual(expect.arrayContaining(direct));
    for (const { hashes } of bom.components) expect(hashes[0]?.alg).toBe('SHA-512');
    const licences = readFileSync(file(`quaymaster-${version}.licences.txt`), 'utf8');
    for (const [name, at] of Object.entries(dependencies)) {
      expect(licences).toContain(`${name} ${at} (`);
    }
  });

  it('have a wheel that is the same after each build, and that pip installs without a network', async () => {
    const wheel = `quaymaster-${version}-py3-none-any.whl`;
    const builder = join(ROOT, 'clients/python/build_wheel.py');
    await run(python, [builder, directory]);
    expect(readFileSync(join(directory, wheel)).equals(readFileSync(file(wheel)))).toBe(true);

    const target = join(directory, 'installed');
    const pip = ['-m', 'pip', '--isolated', '--disable-pip-version-check', 'install', '--no-index'];
    await run(python, [...pip, '--no-compile', '--target', target, file(wheel)]);
    const { stdout } = await run(
      python,
      ['-c', 'import quaymaster; print(quaymaster.__version__, quaymaster.__file__)'],
      { env: { ...process.env, PYTHONPATH: target, PYTHONDONTWRITEBYTECODE: '1' } },
    );
    expect(stdout).toBe(`${version} ${target}/quaymaster/__init__.py\n`);
    expect(readdirSync(join(target, 'quaymaster'))).toContain('py.typed');
    const info = join(target, `quaymaster-${version}.dist-info`);
    expect(readFileSync(join(info, 'METADATA'), 'utf8')).toContain(`\nVersion: ${version}\n`);
    expect(readFileSync(join(info, 'LICENSE'), 'utf8')).toBe(textOf('LICENSE'));
  });

  it('have a wheel that pip builds from the folder, without a network', async () => {
    const built = join(directory, 'built');
    const wheel = `quaymaster-${version}-py3-none-any.whl`;
    const pip = ['-m', 'pip', '--isolated', '--disable-pip-version-check', 'wheel', '--no-index'];
    await run(python, [...pip, '--wheel-dir', built, join(ROOT, 'clients/python')]);
    expect(readFileSync(join(built, wheel)).equals(readFileSync(file(wheel)))).toBe(true);
  });
});
