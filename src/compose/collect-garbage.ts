import { Session } from 'node:inspector/promises';

/** Collects all garbage now: node:crypto wipes the memory of a key when the object that held it is collected, not before. */
export async function collectGarbage(): Promise<void> {
  const session = new Session();
  session.connect();
  try {
    await session.post('HeapProfiler.collectGarbage');
  } finally {
    session.disconnect();
  }
}
