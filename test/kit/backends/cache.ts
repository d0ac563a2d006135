import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { Recipe } from './recipe.ts';

/** The directory of installed backends and of the state of shared ones, outside the checkout so that fresh clones find them. */
export function cacheDirectory(): string {
  const xdg = process.env['XDG_CACHE_HOME'] ?? '';
  return join(xdg === '' ? join(homedir(), '.cache') : xdg, 'quaymaster', 'backends');
}

/** The directory of a recipe's result, one per version. */
export function installedDirectory(recipe: Recipe): string {
  return join(cacheDirectory(), `${recipe.name}-${recipe.version}`);
}

/** Reports whether a recipe's result is in the cache. */
export function isInstalled(recipe: Recipe): boolean {
  return existsSync(join(installedDirectory(recipe), recipe.program));
}

/** Gives the full path of a recipe's program. @throws an error that names the command which installs it */
export function installedProgram(recipe: Recipe): string {
  if (isInstalled(recipe)) return join(installedDirectory(recipe), recipe.program);
  throw new Error(
    `${recipe.name} ${recipe.version} is not installed: npm run backends install ${recipe.backend}`,
  );
}
