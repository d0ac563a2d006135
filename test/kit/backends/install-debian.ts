import { access, constants, mkdir, readdir, symlink, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { findProgram } from './find-program.ts';
import type { BackendName, Recipe } from './recipe.ts';
import { runCommand } from './run-command.ts';

interface DebianRecipe {
  readonly backend: BackendName;
  /** Contains the program but no service, so its installation starts nothing. */
  readonly package: string;
  /** Paths of the server's program, the first with its own name. An installed one is used. */
  readonly programs: readonly [string, ...string[]];
  /** File that is written before the package is installed, if the package would otherwise start a service. */
  readonly settings?: { readonly path: string; readonly text: string };
}

/**
 * A recipe for the system's own server. Root on Debian installs it if it is missing; the cache has a link to it, under the program's own
 * name.
 */
export function debianRecipe(debian: DebianRecipe): Recipe {
  const { backend, package: name, programs } = debian;
  const program = basename(programs[0]);
  return {
    name: backend,
    version: 'system',
    backend,
    tools: [],
    program,
    build: async (directory, progress) => {
      const found =
        (await firstExecutable(programs)) ??
        findProgram(program) ??
        (await fetch(debian, progress).then(() => firstExecutable(programs)));
      if (found === null) throw new Error(`${name} is installed without ${programs.join(' or ')}`);
      await symlink(found, join(directory, program));
    },
  };
}

async function firstExecutable(paths: readonly string[]): Promise<string | null> {
  for (const path of paths) {
    const isThere = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (isThere) return path;
  }
  return null;
}

async function fetch(
  { backend, package: name, settings }: DebianRecipe,
  progress: (line: string) => void,
): Promise<void> {
  const apt = findProgram('apt-get');
  if (apt === null || process.getuid?.() !== 0) {
    throw new Error(
      `${backend} is not installed, and only root on Debian installs it here (apt-get install ${name}); without it the suites that use it are left out`,
    );
  }
  if (settings !== undefined) {
    await mkdir(dirname(settings.path), { recursive: true });
    await writeFile(settings.path, settings.text);
  }
  const env = { DEBIAN_FRONTEND: 'noninteractive' };
  const options = { label: backend, cwd: '/', progress, env };
  await runCommand(apt, ['update', '-qq'], options);
  // The package may contain the file of `settings` too; dpkg then asks which one to keep.
  const keep = ['-o', 'Dpkg::Options::=--force-confold'];
  const install = ['install', '-qq', '--yes', '--no-install-recommends', ...keep, name];
  await runCommand(apt, install, options);
}

/** A recipe for one program of a package that would also start a service: the package is unpacked, not installed. */
export function unpackedRecipe(unpacked: {
  readonly backend: BackendName;
  /** The one with the program, and libraries that are not part of every system. */
  readonly packages: readonly string[];
  /** Path of the program, relative to the root of the package. */
  readonly program: string;
}): Recipe {
  const { backend, packages, program } = unpacked;
  return {
    name: backend,
    version: 'system',
    backend,
    tools: ['apt-get', 'dpkg-deb'],
    program,
    build: async (directory, progress) => {
      const options = { label: backend, cwd: directory, progress };
      if (process.getuid?.() === 0) await runCommand('apt-get', ['update', '-qq'], options);
      await runCommand('apt-get', ['download', '-qq', ...packages], options);
      for (const archive of (await readdir(directory)).filter((file) => file.endsWith('.deb')))
        await runCommand('dpkg-deb', ['--extract', archive, '.'], options);
    },
  };
}
