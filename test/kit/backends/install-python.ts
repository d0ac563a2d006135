import type { BackendName, Recipe } from './recipe.ts';
import { runCommand } from './run-command.ts';

/** A recipe that installs one Python distribution in its own virtual environment; `program` is relative to that. */
export function pythonRecipe(recipe: {
  readonly name: string;
  readonly version: string;
  readonly backend: BackendName;
  readonly requirement: string;
  readonly program: string;
}): Recipe {
  return {
    ...recipe,
    tools: ['python3'],
    build: async (directory, progress) => {
      const options = { label: recipe.name, cwd: directory, progress };
      await runCommand('python3', ['-m', 'venv', '.'], options);
      // A fixed name beside lib/python3.N, so that the program's path does not depend on the interpreter.
      const link = [
        '-c',
        'import os, site; os.symlink(os.path.relpath(site.getsitepackages()[0]), "packages")',
      ];
      await runCommand('bin/python', link, options);
      const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check'];
      await runCommand('bin/python', [...pip, recipe.requirement], options);
    },
  };
}
