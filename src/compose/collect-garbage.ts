import { Session } from 'node:inspector';

/** Collects all garbage now: node:crypto wipes the memory of a key when the object that held it is collected, not before. */
export function collectGarbage(): void {
  const session = new Session();
  session.connect();
  session.post('HeapProfiler.collectGarbage');
  session.disconnect();
}
