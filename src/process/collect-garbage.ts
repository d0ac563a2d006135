import { Session } from 'node:inspector/promises';

/** Forces a garbage collection. node:crypto wipes the memory of a key only when the object that held it is collected. */
export async function collectGarbage(): Promise<void> {
  const session = new Session();
  session.connect();
  try {
    await session.post('HeapProfiler.collectGarbage');
  } finally {
    session.disconnect();
  }
}
