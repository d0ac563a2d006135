import { installedProgram } from './cache.ts';
import { createDataDirectory } from './data-directory.ts';
import { startIn, type Footprint, type Running } from './footprint.ts';
import type { Recipe } from './recipe.ts';

/** A program without a server, such as Helm, promtool or Schemathesis, or test data. Its directory is its own, so that it sees none of this user's settings. */
export interface Tool extends Footprint {
  readonly program: string;
}

/** Creates the directory of a tool. */
export async function startTool(recipe: Recipe): Promise<Running<Tool>> {
  const { name, version } = recipe;
  const program = installedProgram(recipe);
  const directory = await createDataDirectory(name);
  return startIn(directory, (processes) =>
    Promise.resolve({ version, processes, directory, program }),
  );
}
