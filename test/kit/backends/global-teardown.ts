import { stopFootprint, type Footprint } from './footprint.ts';
import { startedHere } from './started-here.ts';

/** Stops what the setup of this run started, and nothing else. */
export default async function globalTeardown(): Promise<void> {
  const started: Footprint[] = Object.values(startedHere.backends);
  await Promise.all(started.map(stopFootprint));
}
