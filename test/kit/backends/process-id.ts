import { readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';

/**
 * Identifies a process: its number, its start time (clock ticks since boot, null if /proc is missing) and the signal that stops it
 * gracefully.
 */
export interface ProcessId {
  readonly pid: number;
  readonly startedTicks: string | null;
  readonly stopSignal: NodeJS.Signals;
}

const GRACE_MS = 10_000;

interface ProcStat {
  readonly state: string;
  readonly startedTicks: string;
}

// The command name in the second field may contain spaces and parentheses, so fields are counted after its last one (proc(5)).
function procStat(pid: number): ProcStat | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return { state: fields[0] ?? '', startedTicks: fields[19] ?? '' };
  } catch {
    return null;
  }
}

/** Identifies a running process. */
export function identify(pid: number, stopSignal: NodeJS.Signals): ProcessId {
  return { pid, startedTicks: procStat(pid)?.startedTicks ?? null, stopSignal };
}

/** Reports whether this very process still runs: another one with its number, or a zombie, does not count. */
export function isAlive(id: ProcessId): boolean {
  try {
    process.kill(id.pid, 0);
  } catch {
    return false;
  }
  if (id.startedTicks === null) return true;
  const stat = procStat(id.pid);
  return stat !== null && stat.state !== 'Z' && stat.startedTicks === id.startedTicks;
}

async function hasEnded(id: ProcessId, withinMs: number): Promise<boolean> {
  for (let waitedMs = 0; waitedMs < withinMs; waitedMs += 20) {
    if (!isAlive(id)) return true;
    await pause(20);
  }
  return !isAlive(id);
}

/** Stops a process with its own stop signal, then with SIGKILL if it still runs after `graceMs`. */
export async function endProcess(id: ProcessId, graceMs = GRACE_MS): Promise<void> {
  if (!isAlive(id)) return;
  process.kill(id.pid, id.stopSignal);
  if (await hasEnded(id, graceMs)) return;
  process.kill(id.pid, 'SIGKILL');
  await hasEnded(id, GRACE_MS);
}
