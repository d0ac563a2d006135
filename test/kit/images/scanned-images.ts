import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { promisify } from 'node:util';
import type { Backends } from '../backends/fleet.ts';
import { uniqueName } from '../backends/unique-name.ts';

type Programs = Pick<Backends, 'cosign' | 'trivy' | 'grype'>;

/** One row of the databases that both scanners get. */
export interface KnownVulnerability {
  readonly id: string;
  readonly ecosystem: 'debian' | 'npm';
  readonly package: string;
  readonly severity: string;
  /** Version with the fix; absent: there is none. */
  readonly fixed?: string;
  /** A range, for npm. */
  readonly affected?: string;
  /** The CVE of a GHSA. */
  readonly cve?: string;
}

/** Versions of the packages in an image of Debian 12; `env` is the text of a file. */
export interface ImageContent {
  readonly zlib1g: string;
  readonly openssl?: string;
  readonly lodash?: string;
  readonly env?: string;
}

const OS_RELEASE = 'PRETTY_NAME="Debian GNU/Linux 12"\nVERSION_ID="12"\nID=debian\n';

/** Images in the registry of the backend `cosign`, and the real scanners with databases of a few made-up vulnerabilities. */
export class ScannedImages {
  readonly repository: string;
  readonly #directory: string;
  readonly #programs: Programs;

  private constructor(programs: Programs, directory: string) {
    this.repository = `${programs.cosign.registry}/${uniqueName('scanned')}/web`;
    this.#directory = directory;
    this.#programs = programs;
  }

  static async make(
    programs: Programs,
    vulnerabilities: readonly KnownVulnerability[],
  ): Promise<ScannedImages> {
    const images = new ScannedImages(
      programs,
      await mkdtemp(join(programs.trivy.directory, 'scans-')),
    );
    await images.#fill(programs.trivy, 'trivy-db', 'trivy/db', vulnerabilities);
    await images.#fill(programs.grype, 'grype-db', 'grype/6', vulnerabilities);
    return images;
  }

  /** Makes a database with the program that the backend installed beside the scanner. */
  async #fill(
    { program }: Programs['trivy'],
    maker: string,
    place: string,
    vulnerabilities: readonly KnownVulnerability[],
  ): Promise<void> {
    const directory = await this.#makeDirectory(place);
    const child = spawn(join(dirname(program), maker), [directory], {
      stdio: ['pipe', 'ignore', 'inherit'],
    });
    child.stdin.end(JSON.stringify(vulnerabilities));
    const [code] = (await once(child, 'close')) as [number | null];
    if (code !== 0) throw new Error(`${maker} ended with ${code}`);
  }

  /** Makes the database of Grype older than it is. */
  setGrypeDatabaseDate(built: Date): void {
    const database = new DatabaseSync(this.#at('grype/6/vulnerability.db'));
    database
      .prepare('UPDATE db_metadata SET build_timestamp = ?')
      .run(built.toISOString().replace('T', ' ').replace('Z', '+00:00'));
    database.close();
  }

  /** Pushes an image of one platform with a tag. @returns its digest */
  async push(tag: string, content: ImageContent, platform = 'linux/amd64'): Promise<string> {
    await this.#write(tag, 'etc/os-release', OS_RELEASE);
    await this.#write(tag, 'etc/debian_version', '12.4\n');
    await this.#write(tag, 'var/lib/dpkg/status', dpkgStatus(content));
    const { lodash, env } = content;
    if (lodash !== undefined) {
      const text = JSON.stringify({ name: 'lodash', version: lodash });
      await this.#write(tag, 'app/node_modules/lodash/package.json', text);
    }
    if (env !== undefined) await this.#write(tag, 'app/.env', env);
    const layer = this.#at(`${tag}.tar`);
    await this.#run('tar', '-cf', layer, '-C', this.#at(tag), '.');
    const name = `${this.repository}:${tag}`;
    await this.#crane('append', '-f', layer, '-t', name);
    await this.#crane('mutate', '--set-platform', platform, name, '-t', name);
    return this.#crane('digest', name);
  }

  /** Pushes an index of images. @returns its digest */
  async pushIndex(tag: string, digests: readonly string[]): Promise<string> {
    const manifests = digests.flatMap((digest) => ['-m', `${this.repository}@${digest}`]);
    const name = `${this.repository}:${tag}`;
    await this.#crane('index', 'append', ...manifests, '-t', name);
    return this.#crane('digest', name);
  }

  /** Pulls an image into a tar file. @returns its path */
  async pull(digest: string): Promise<string> {
    const file = this.#at(`${uniqueName('pulled')}.tar`);
    await this.#crane('pull', `${this.repository}@${digest}`, file);
    return file;
  }

  /** The report of `trivy image` about an image of the registry, or with other arguments about another one. */
  trivy(...target: readonly string[]): Promise<string> {
    const offline = ['--skip-db-update', '--skip-java-db-update', '--offline-scan'];
    const silent = ['--disable-telemetry', '--skip-version-check', '--quiet'];
    const asked = ['--scanners', 'vuln,secret', '--format', 'json', '--insecure'];
    const database = ['--cache-dir', this.#at('trivy')];
    const { program } = this.#programs.trivy;
    return this.#run(program, 'image', ...database, ...offline, ...silent, ...asked, ...target);
  }

  /** The report of `grype` about `registry:IMAGE` or `docker-archive:FILE`, or with other arguments before it. */
  grype(...target: readonly string[]): Promise<string> {
    return this.#run(this.#programs.grype.program, ...target, '--quiet', '--output', 'json');
  }

  #crane(...words: readonly string[]): Promise<string> {
    return this.#run(this.#programs.cosign.crane, '--insecure', ...words);
  }

  async #run(program: string, ...words: readonly string[]): Promise<string> {
    const env = {
      PATH: process.env['PATH'],
      GOGC: process.env['GOGC'],
      HOME: this.#directory,
      TMPDIR: this.#directory,
      GRYPE_DB_CACHE_DIR: this.#at('grype'),
      GRYPE_DB_AUTO_UPDATE: 'false',
      GRYPE_DB_VALIDATE_AGE: 'false',
      // The checksum is of the database as it was made, before `setGrypeDatabaseDate`.
      GRYPE_DB_VALIDATE_BY_HASH_ON_START: 'false',
      GRYPE_CHECK_FOR_APP_UPDATE: 'false',
      GRYPE_REGISTRY_INSECURE_USE_HTTP: 'true',
    };
    const { stdout } = await promisify(execFile)(program, [...words], {
      env,
      cwd: this.#directory,
      maxBuffer: 16 * 1_048_576,
    });
    return stdout.trim();
  }

  #at(name: string): string {
    return join(this.#directory, name);
  }

  async #makeDirectory(name: string): Promise<string> {
    const directory = this.#at(name);
    await mkdir(directory, { recursive: true });
    return directory;
  }

  async #write(folder: string, name: string, text: string): Promise<void> {
    await this.#makeDirectory(dirname(join(folder, name)));
    await writeFile(this.#at(join(folder, name)), text);
  }

  async remove(): Promise<void> {
    await rm(this.#directory, { recursive: true, force: true });
  }
}

function dpkgStatus({ zlib1g, openssl }: ImageContent): string {
  const packages = [
    { name: 'zlib1g', source: 'zlib', version: zlib1g },
    ...(openssl === undefined ? [] : [{ name: 'openssl', source: 'openssl', version: openssl }]),
  ];
  return packages
    .map(({ name, source, version }) =>
      [
        `Package: ${name}`,
        'Status: install ok installed',
        'Maintainer: Test <test@quaymaster.test>',
        'Architecture: amd64',
        ...(source === name ? [] : [`Source: ${source}`]),
        `Version: ${version}`,
        'Description: a package of a test',
        '',
      ].join('\n'),
    )
    .join('\n');
}
