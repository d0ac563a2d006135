import { rm } from 'node:fs/promises';
import { endProcess, isAlive, type ProcessId } from './process-id.ts';

/** The resources of a running backend: its processes in start order, and the directory with its data and logs. */
export interface Footprint {
  readonly version: string;
  readonly processes: readonly ProcessId[];
  readonly directory: string;
}

/** A backend with the function that stops it and removes its data. All other fields survive JSON. */
export type Running<Description extends Footprint> = Description & {
  readonly stop: () => Promise<void>;
};

/** Reports whether every process of a backend runs. */
export function isRunning(footprint: Footprint): boolean {
  return footprint.processes.every(isAlive);
}

/** Stops a backend's processes, the last started first, and removes its directory. */
export async function stopFootprint(footprint: Footprint): Promise<void> {
  for (const id of footprint.processes.toReversed()) await endProcess(id);
  await rm(footprint.directory, { recursive: true, force: true });
}

/**
 * Starts a backend in its directory. If the start fails, and on `stop`, the processes in `processes` are stopped and the directory removed.
 */
export async function startIn<Description extends Footprint>(
  directory: string,
  start: (processes: ProcessId[]) => Promise<Description>,
): Promise<Running<Description>> {
  const processes: ProcessId[] = [];
  const stop = (): Promise<void> => stopFootprint({ version: '', processes, directory });
  try {
    return { ...(await start(processes)), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
