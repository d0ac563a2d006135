import { rm } from 'node:fs/promises';
import { stopFootprint, type Footprint } from './footprint.ts';
import { startedHere } from './started-here.ts';

/** Stops only the backends that the setup of this run started, and frees its memory. */
export default async function globalTeardown(): Promise<void> {
  const started: Footprint[] = Object.values(startedHere.backends);
  await Promise.all(started.map(stopFootprint));
  const { directory } = startedHere;
  if (directory !== undefined) await rm(directory, { recursive: true, force: true });
}
