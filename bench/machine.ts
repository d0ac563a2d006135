import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { arch, availableParallelism, cpus, release, totalmem } from 'node:os';
import { statfsSync } from 'node:fs';
import { findProgram } from '../test/kit/backends/find-program.ts';

/** The core of every measured server; idle servers share it. */
export const SERVER_CORE = 0;
/** The core of the load generator, and of servers that the measured ones call. */
export const LOAD_CORE = 1;

/** Cores of programs that may use both. */
export const BOTH_CORES = '0,1';
export type Cores = number | typeof BOTH_CORES;

const CORES_NEEDED = 2;
const TMPFS = 0x01021994;

/** @throws if a program or a core is missing, with the remedy. */
export function assertMachine(directory: string): void {
  for (const program of ['wrk', 'taskset']) {
    if (findProgram(program) === null)
      throw new Error(`${program} is not on PATH (Debian: apt-get install wrk util-linux)`);
  }
  if (availableParallelism() < CORES_NEEDED)
    throw new Error('two cores are needed: one for the servers, one for the load');
  if (statfsSync(directory).type === TMPFS)
    throw new Error(`${directory} is in memory, where nothing is durable: set TMPDIR to a disk`);
}

/** Moves a process with all its threads to the core; this one by default, and so all processes that it starts from now on. */
export function moveTo(core: Cores, pid: number = process.pid): void {
  execFileSync('taskset', ['-acp', String(core), String(pid)], { stdio: 'ignore' });
}

/** Runs `work`, and the processes it starts, on another core. */
export async function on<T>(core: Cores, work: () => Promise<T>): Promise<T> {
  moveTo(core);
  try {
    return await work();
  } finally {
    moveTo(SERVER_CORE);
  }
}

/** One line that describes the machine of the figures. */
export function describeMachine(): string {
  const model = cpus()[0]?.model.trim() ?? arch();
  const gigabytes = Math.round(totalmem() / 2 ** 30);
  return `${cpus().length} cores of ${model}, ${gigabytes} GB, Linux ${release()}, Node ${process.version}`;
}

const TICKS_PER_SECOND = 100;

/** Processor time of a process so far, in seconds, threads included. */
export function processorSeconds(pid: number): number {
  const fields = statOf(pid);
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

/**
 * Processor time of a process and of all processes that it started, and they in turn, so far; also of those that have ended. A PostgreSQL server has a
 * process for each session.
 */
export function treeSeconds(pid: number): number {
  const [ended, endedInKernel] = statOf(pid).slice(13, 15).map(Number);
  const own = processorSeconds(pid) + (Number(ended) + Number(endedInKernel)) / TICKS_PER_SECOND;
  return childrenOf(pid).reduce((sum, child) => sum + treeSecondsIfAlive(child), own);
}

function childrenOf(pid: number): readonly number[] {
  // Any thread may have started a process.
  return readdirSync(`/proc/${pid}/task`).flatMap((thread) =>
    readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8')
      .split(' ')
      .filter(Boolean)
      .map(Number),
  );
}

/** A process that ends between two readings counts with its parent from the next one on. */
function treeSecondsIfAlive(pid: number): number {
  try {
    return treeSeconds(pid);
  } catch {
    return 0;
  }
}

/** The fields of proc(5), from the state on. */
function statOf(pid: number): readonly string[] {
  const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
  return text.slice(text.lastIndexOf(')') + 2).split(' ');
}

/** Reads the resident memory of a process, in megabytes of 2^20 bytes. */
export function residentMegabytes(pid: number): number {
  const kilobytes = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kilobytes) / 1024;
}
