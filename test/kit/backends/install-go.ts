import { copyFile, cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { z } from 'zod';
import type { BackendName, Recipe } from './recipe.ts';
import { runCommand } from './run-command.ts';

/** A Go program and the module it is in. */
export interface GoProgram {
  readonly name: string;
  readonly version: string;
  readonly backend: BackendName;
  readonly module: string;
  readonly package: string;
  /** Lines for our go.mod, derived from the module's own. */
  readonly replacements: (moduleFile: string) => readonly string[];
  readonly linkerVariables: readonly string[];
  /** Value of GOEXPERIMENT for the build. */
  readonly experiment?: string;
  /**
   * A second program, from a source of ours that uses the modules of the first one. It is installed beside it, and rebuilt only with it: after a
   * change of the source, delete the directory from the cache.
   */
  readonly beside?: { readonly name: string; readonly source: URL };
}

type GoModule = Pick<GoProgram, 'name' | 'version' | 'backend' | 'module'>;

const downloaded = z.object({ GoMod: z.string(), Dir: z.string() });

async function downloadModule(
  directory: string,
  { module, version }: GoModule,
): Promise<z.infer<typeof downloaded>> {
  const query = ['mod', 'download', '-json', `${module}@v${version}`];
  const { stdout } = await promisify(execFile)('go', query, { cwd: directory });
  return downloaded.parse(JSON.parse(stdout));
}

// `go install package@version` refuses modules with replace lines, so the program is built from our own module that requires it.
async function writeModule(directory: string, program: GoProgram): Promise<void> {
  const theirs = await readFile((await downloadModule(directory, program)).GoMod, 'utf8');
  const lines = [
    `module quaymaster.test/${program.name}`,
    /^go .*$/m.exec(theirs)?.[0] ?? '',
    `require ${program.module} v${program.version}`,
    ...program.replacements(theirs),
  ];
  await writeFile(join(directory, 'go.mod'), lines.join('\n') + '\n');
  const source = `//go:build tools\n\npackage tools\n\nimport _ "${program.package}"\n`;
  await writeFile(join(directory, 'tools.go'), source);
  if (program.beside === undefined) return;
  const { name, source: ours } = program.beside;
  await mkdir(join(directory, `${name}-source`));
  await copyFile(ours, join(directory, `${name}-source`, 'main.go'));
}

/** Builds the recipe of a Go program from the module proxy. */
export function goRecipe(program: GoProgram): Recipe {
  return {
    name: program.name,
    version: program.version,
    backend: program.backend,
    tools: ['go'],
    program: program.name,
    build: async (directory, progress) => {
      await writeModule(directory, program);
      const { experiment: GOEXPERIMENT, beside } = program;
      const env = { GOFLAGS: '-buildvcs=false', ...(GOEXPERIMENT && { GOEXPERIMENT }) };
      const options = { cwd: directory, progress, env };
      // -e: a module that only the tests of a dependency need may be missing. The build fails if the program needs it.
      await runCommand('go', ['mod', 'tidy', '-e'], {
        ...options,
        label: `${program.name} modules`,
      });
      const variables = program.linkerVariables.map((variable) => `-X ${variable}`);
      const flags = ['-trimpath', '-ldflags', ['-s', '-w', ...variables].join(' ')];
      const build = (name: string, source: string): Promise<void> =>
        runCommand('go', ['build', ...flags, '-o', name, source], {
          ...options,
          label: `${name} build`,
        });
      await build(program.name, program.package);
      if (beside !== undefined) await build(beside.name, `./${beside.name}-source`);
    },
  };
}

/** A recipe that takes test data from a Go module: `folder` of the module becomes the folder `name`. */
export function goDataRecipe(data: GoModule & { readonly folder: string }): Recipe {
  const { name, version, backend, folder } = data;
  return {
    name,
    version,
    backend,
    tools: ['go'],
    program: name,
    build: async (directory) => {
      const { Dir: module } = await downloadModule(directory, data);
      await cp(join(module, folder), join(directory, name), { recursive: true });
    },
  };
}

const SOURCES = ['main.go', 'go.mod', 'go.sum'];

/**
 * A recipe for programs of ours, each in a folder of its own below `parent`. Its version is a hash of their sources, so a changed program is built again,
 * and a fresh clone finds the others.
 */
export function ownGoRecipe(name: BackendName, parent: URL, folders: readonly string[]): Recipe {
  const hash = createHash('sha256');
  for (const folder of folders) {
    for (const file of SOURCES) hash.update(readFileSync(new URL(`${folder}/${file}`, parent)));
  }
  return {
    name,
    version: hash.digest('hex').slice(0, 12),
    backend: name,
    tools: ['go'],
    program: 'programs',
    build: async (directory, progress) => {
      for (const folder of folders) {
        const args = ['build', '-trimpath', '-o', join(directory, 'programs', folder), '.'];
        const cwd = fileURLToPath(new URL(folder, parent));
        const env = { GOFLAGS: '-buildvcs=false' };
        await runCommand('go', args, { label: `${folder} build`, cwd, progress, env });
      }
    },
  };
}
