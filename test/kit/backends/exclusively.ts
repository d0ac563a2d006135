import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import Database from 'better-sqlite3';

/** Includes SQLITE_BUSY_RECOVERY and similar codes. Checks the shape, because under jest an error may come from another realm. */
function isBusy(error: unknown): boolean {
  return (
    typeof error === 'object' &&
    error !== null &&
    'code' in error &&
    String(error.code).startsWith('SQLITE_BUSY')
  );
}

function tryLock(lock: Database.Database): boolean {
  try {
    lock.exec('BEGIN EXCLUSIVE');
    return true;
  } catch (error) {
    if (isBusy(error)) return false;
    throw error;
  }
}

/** Runs `action` while no other process holds `lockFile`. The lock is the kernel's (SQLite's file lock), so it ends with its process. */
export async function exclusively<Result>(
  lockFile: string,
  action: () => Promise<Result>,
  onWait: () => void,
): Promise<Result> {
  await mkdir(dirname(lockFile), { recursive: true });
  const lock = new Database(lockFile, { timeout: 0 });
  try {
    for (let tries = 0; !tryLock(lock); tries += 1) {
      if (tries === 0) onWait();
      await pause(200);
    }
    return await action();
  } finally {
    lock.close();
  }
}
