import { stopFootprint, type Footprint } from './footprint.ts';
import { startedHere } from './started-here.ts';

/** Stops only the backends that the setup of this run started. */
export default async function globalTeardown(): Promise<void> {
  const started: Footprint[] = Object.values(startedHere.backends);
  await Promise.all(started.map(stopFootprint));
}
