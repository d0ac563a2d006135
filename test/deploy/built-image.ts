import { execFile, execFileSync, spawn, type ChildProcess } from 'node:child_process';
import {
  chownSync,
  cpSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { findProgram } from '../kit/backends/find-program.ts';
import { ended, type Ended } from './staged-image.ts';

const execute = promisify(execFile);

const BASE = 'localhost/node-base';
const IMAGE = 'localhost/quaymaster';
const USER = 10001;

/** The programs of the base image that the Dockerfile, npm and the entry point call. */
const PROGRAMS = ['sh', 'rm', 'install', 'prlimit', 'env'];

/** `npm ci` has already run with the same lock file, and its result is mounted; every other command of npm is real. */
const NPM = `#!/bin/sh
if [ "$1" = ci ]; then test -d node_modules/esbuild; exit; fi
exec node /usr/local/lib/node_modules/npm/bin/npm-cli.js "$@"
`;

/**
 * Script with the effects of a container runtime for `--read-only --cap-drop ALL --security-opt no-new-privileges`: namespaces
 * for mounts and processes, the volumes mounted, the rest read-only, the image's user. Arguments: root, data, keys,
 * configuration, then the command.
 */
const CONTAINER = `set -e
root=$1 data=$2 keys=$3 config=$4; shift 4
mount --bind "$root" "$root"
mkdir -p "$root/etc/quaymaster"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount --bind "$data" "$root/var/lib/quaymaster"
mount --bind "$keys" "$root/var/lib/quaymaster-keys"
mount --bind "$config" "$root/etc/quaymaster"
mount -o remount,bind,ro "$root"
exec setpriv --no-new-privs --bounding-set=-all,+sys_chroot,+setuid,+setgid \\
  /usr/sbin/chroot --userspec=${USER}:${USER} --groups= "$root" "$@"`;

/** The configuration of an image, as Docker keeps it. */
export interface ImageConfig {
  readonly User: string;
  readonly Env: readonly string[];
  readonly Cmd: readonly string[];
  readonly Entrypoint: readonly string[];
  readonly Labels: Readonly<Record<string, string>>;
  readonly StopSignal: string;
  readonly Healthcheck: { readonly Test: readonly string[] };
}

/** The image that Buildah builds from the Dockerfile, on a base image made of this machine's Node and programs. */
export class BuiltImage {
  readonly config: string;
  readonly data: string;
  readonly keys: string;
  readonly #directory: string;
  readonly #buildah: readonly [string, ...string[]];
  readonly #children = new Set<ChildProcess>();
  #root = '';
  #settings: ImageConfig | undefined;

  constructor(program: string, directory: string) {
    this.#directory = join(directory, 'image');
    const [config, data, keys, root, runRoot] = ['config', 'data', 'keys', 'root', 'run'].map(
      (name) => join(this.#directory, name),
    ) as [string, string, string, string, string];
    mkdirSync(config, { recursive: true });
    for (const volume of [data, keys]) {
      mkdirSync(volume, { mode: 0o700 });
      chownSync(volume, USER, USER);
    }
    this.#buildah = [program, '--storage-driver', 'vfs', '--root', root, '--runroot', runRoot];
    this.config = config;
    this.data = data;
    this.keys = keys;
  }

  async build(): Promise<void> {
    await this.#makeBase();
    const modules = `${resolve('node_modules')}:/build/node_modules:ro`;
    const from = ['--pull-never', '--build-arg', `NODE_IMAGE=${BASE}`, '--volume', modules];
    // Only Docker's format has health checks.
    await this.#run('bud', '--format', 'docker', ...from, '-t', IMAGE, '.');
    const { Docker } = JSON.parse(await this.#run('inspect', '--type', 'image', IMAGE)) as {
      readonly Docker: { readonly config: ImageConfig };
    };
    this.#settings = Docker.config;
    this.#root = await this.#run('mount', await this.#run('from', '--pull-never', IMAGE));
  }

  get settings(): ImageConfig {
    return this.#settings!;
  }

  /** The file system of the image. */
  get root(): string {
    return this.#root;
  }

  /** Runs a verb of the program to its end, in a container of its own. */
  run(...args: readonly string[]): Promise<Ended> {
    return this.execute([...this.settings.Entrypoint, ...args]);
  }

  /** Runs any command to its end, in a container of its own. */
  execute(command: readonly string[]): Promise<Ended> {
    return ended(this.start(command));
  }

  start(command: readonly string[]): ChildProcess {
    const names = ['--mount', '--pid', '--ipc', '--fork', '--kill-child'];
    const places = [this.#root, this.data, this.keys, this.config];
    const child = spawn('unshare', [...names, 'sh', '-c', CONTAINER, 'sh', ...places, ...command], {
      env: Object.fromEntries(this.settings.Env.map((pair) => pair.split('=') as [string, string])),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#children.add(child);
    child.once('close', () => this.#children.delete(child));
    return child;
  }

  /** Sends a signal to the container's first process, as `docker stop` does. */
  signal({ pid }: ChildProcess, name: NodeJS.Signals): void {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8');
    process.kill(Number(children), name);
  }

  async remove(): Promise<void> {
    for (const child of this.#children) {
      child.kill('SIGKILL');
      await ended(child);
    }
    await this.#run('umount', '--all');
    rmSync(this.#directory, { recursive: true, force: true });
  }

  async #makeBase(): Promise<void> {
    const base = join(this.#directory, 'base');
    for (const name of ['bin', 'lib', 'lib64']) {
      mkdirSync(join(base, 'usr', name), { recursive: true });
      symlinkSync(`usr/${name}`, join(base, name));
    }
    const put = (from: string, to = from): void => {
      mkdirSync(dirname(base + to), { recursive: true });
      cpSync(realpathSync(from), base + to, { recursive: true });
    };
    const programs = PROGRAMS.map((name) => `/usr/bin/${name}`);
    for (const program of programs) put(program);
    put(process.execPath, '/usr/local/bin/node');
    for (const library of librariesOf([...programs, process.execPath])) put(library);
    // Not "npm root --global": it names a folder beside the Node that runs it, which may be the project's own, without npm.
    const npm = realpathSync(findProgram('npm') ?? 'npm');
    put(resolve(npm, '../..'), '/usr/local/lib/node_modules/npm');
    writeFileSync(`${base}/usr/local/bin/npm`, NPM, { mode: 0o755 });
    for (const name of ['tmp', 'root', 'dev', 'proc', 'etc/quaymaster', 'var/lib'])
      mkdirSync(join(base, name), { recursive: true });
    const container = await this.#run('from', 'scratch');
    await this.#run('copy', '--quiet', container, base, '/');
    const path = 'PATH=/usr/local/bin:/usr/bin:/bin';
    await this.#run('config', '--env', path, container);
    await this.#run('commit', '--rm', '--quiet', container, BASE);
    rmSync(base, { recursive: true });
  }

  async #run(...args: readonly string[]): Promise<string> {
    const [program, ...global] = this.#buildah;
    const env = { ...process.env, BUILDAH_ISOLATION: 'chroot' };
    const { stdout } = await execute(program, [...global, ...args], { env });
    return stdout.trim();
  }
}

/** The shared libraries that the programs load, and the loader. */
function librariesOf(programs: readonly string[]): ReadonlySet<string> {
  const listed = execFileSync('ldd', programs, { encoding: 'utf8' });
  return new Set(Array.from(listed.matchAll(/(\/\S+) \(0x/g), ([, path = '']) => path));
}
