import { installedProgram } from './cache.ts';
import { createDataDirectory } from './data-directory.ts';
import { startIn, type Footprint, type Running } from './footprint.ts';
import { PROMTOOL } from './recipes.ts';

/** Promtool, which checks rules for Prometheus: a program without a server. */
export interface Promtool extends Footprint {
  readonly program: string;
}

/** Creates a working directory for Promtool. */
export async function startPromtool(): Promise<Running<Promtool>> {
  const program = installedProgram(PROMTOOL);
  const directory = await createDataDirectory('promtool');
  return startIn(directory, (processes) =>
    Promise.resolve({ version: PROMTOOL.version, processes, directory, program }),
  );
}
