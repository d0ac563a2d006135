import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { cacheDirectory, installedDirectory, isInstalled } from './cache.ts';
import { exclusively } from './exclusively.ts';
import { findProgram } from './find-program.ts';
import { findPostgres } from './postgres-programs.ts';
import type { BackendName, Recipe } from './recipe.ts';
import { RECIPES } from './recipes.ts';

type Progress = (line: string) => void;

// Built in a sibling directory and renamed, so that a killed install leaves no partial result under the final name.
async function build(recipe: Recipe, progress: Progress): Promise<void> {
  const target = installedDirectory(recipe);
  const draft = await mkdtemp(join(cacheDirectory(), `.${recipe.name}-`));
  try {
    await recipe.build(draft, progress);
    await rm(target, { recursive: true, force: true });
    await rename(draft, target);
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
}

async function installRecipe(recipe: Recipe, progress: Progress): Promise<void> {
  if (isInstalled(recipe)) return;
  const missing = recipe.tools.filter((tool) => findProgram(tool) === null);
  if (missing.length > 0) {
    throw new Error(
      `${recipe.name} ${recipe.version} needs ${missing.join(' and ')} on PATH; without it the suites that use ${recipe.backend} are left out`,
    );
  }
  progress(`${recipe.name} ${recipe.version}: installing`);
  const startedMs = performance.now();
  await build(recipe, progress);
  const seconds = Math.round((performance.now() - startedMs) / 1000);
  progress(`${recipe.name} ${recipe.version}: installed in ${seconds} s`);
}

async function attempt(recipe: Recipe, progress: Progress): Promise<string | null> {
  try {
    await installRecipe(recipe, progress);
    return null;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    if (!isBackendInstalled(recipe.backend)) return reason;
    progress(`${reason}\n${recipe.backend}: the one of this system is used instead`);
    return null;
  }
}

/** Installs the programs of the named backends, one install at a time on the machine. Throws at the end with all failures. */
export async function install(names: readonly BackendName[], progress: Progress): Promise<void> {
  await mkdir(cacheDirectory(), { recursive: true });
  const failures: (string | null)[] = [];
  const installAll = async (): Promise<void> => {
    for (const recipe of names.flatMap((name) => RECIPES[name])) {
      failures.push(await attempt(recipe, progress));
    }
  };
  const waiting = (): void => progress('another install is in progress; waiting for it');
  await exclusively(join(cacheDirectory(), 'install.lock'), installAll, waiting);
  const reasons = failures.filter((reason) => reason !== null);
  if (reasons.length > 0) throw new Error(reasons.join('\n'));
}

/** Reports whether all programs of a backend are installed. */
export function isBackendInstalled(name: BackendName): boolean {
  return name === 'postgres' ? findPostgres() !== null : RECIPES[name].every(isInstalled);
}
