import type { BackendName, Recipe } from './recipe.ts';
import { runCommand } from './run-command.ts';

/** A recipe that installs npm packages in a directory of their own; `program` is relative to that. */
export function npmRecipe(recipe: {
  readonly name: string;
  readonly version: string;
  readonly backend: BackendName;
  readonly requirements: readonly string[];
  readonly program: string;
}): Recipe {
  return {
    ...recipe,
    tools: ['npm'],
    build: async (directory, progress) => {
      const options = { label: recipe.name, cwd: directory, progress };
      // Packages of programs create their symbolic links by a script, because npm packages cannot contain them.
      const flags = ['--prefix', '.', '--no-save', '--no-package-lock', '--ignore-scripts=false'];
      await runCommand('npm', ['install', ...flags, ...recipe.requirements], options);
    },
  };
}
