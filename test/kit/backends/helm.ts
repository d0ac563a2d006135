import { installedProgram } from './cache.ts';
import { createDataDirectory } from './data-directory.ts';
import { startIn, type Footprint, type Running } from './footprint.ts';
import { HELM } from './recipes.ts';

/** Helm: a program without a server. Its `directory` is its home, so that it sees none of this user's plugins, repositories or clusters. */
export interface Helm extends Footprint {
  readonly program: string;
}

/** Creates a home directory for Helm. */
export async function startHelm(): Promise<Running<Helm>> {
  const program = installedProgram(HELM);
  const directory = await createDataDirectory('helm');
  return startIn(directory, (processes) =>
    Promise.resolve({ version: HELM.version, processes, directory, program }),
  );
}
