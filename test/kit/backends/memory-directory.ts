import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statfsSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';

const MEMORY = '/dev/shm';
const PREFIX = 'qm-';
const TMPFS = 0x01021994;
/** A whole run uses less than 2 GB. */
const ROOM_BYTES = 4 * 1024 ** 3;
const DAY_MS = 86_400_000;

/**
 * A directory in memory for the temporary files of one test run. On a disk, suites that commit much wait for fsync for half of their time.
 * Undefined if there is no file system in memory, too little room, or no right to execute programs in it (containers often mount it so).
 */
export function makeMemoryDirectory(): string | undefined {
  if (!hasRoom()) return undefined;
  removeAbandoned();
  const directory = mkdtempSync(join(MEMORY, PREFIX));
  // Servers that run as other users write below it, as below /tmp.
  chmodSync(directory, 0o1777);
  if (canExecute(directory)) return directory;
  rmSync(directory, { recursive: true });
  return undefined;
}

function hasRoom(): boolean {
  try {
    const { type, bavail, bsize } = statfsSync(MEMORY);
    return type === TMPFS && bavail * bsize >= ROOM_BYTES;
  } catch {
    return false;
  }
}

/** The directory of a killed run would keep its memory. */
function removeAbandoned(): void {
  for (const name of readdirSync(MEMORY)) {
    const path = join(MEMORY, name);
    const isOurs = name.startsWith(PREFIX) && Date.now() - statSync(path).mtimeMs > DAY_MS;
    if (isOurs) rmSync(path, { recursive: true, force: true });
  }
}

function canExecute(directory: string): boolean {
  const program = join(directory, 'program');
  writeFileSync(program, '#!/bin/sh\n', { mode: 0o755 });
  const { status } = spawnSync(program);
  rmSync(program);
  return status === 0;
}
