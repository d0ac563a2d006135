import { open, readdir, readFile } from 'node:fs/promises';
import type { SignalAction } from '../config/actions.ts';

/** A PID in decimal: never 0, 1 or a negative number, which are process groups, `init` and everybody. */
const PID = /^(?:[2-9]|[1-9][0-9]{1,9})$/;
const MOST_BYTES = 32;

/** @returns why it failed, in a word; undefined when it did not. */
export async function sendSignal(action: SignalAction): Promise<string | undefined> {
  const { signal, pidFile, process: name } = action;
  const pids = pidFile === undefined ? await pidsOf(name ?? '') : await pidIn(pidFile);
  if (pids.length === 0) return pidFile === undefined ? 'no_such_process' : 'no_pid_file';
  return pids.map((pid) => failureOf(pid, signal)).find((failure) => failure !== undefined);
}

/** One that has ended, or belongs to somebody else, keeps no other from hearing. */
function failureOf(pid: number, signal: NodeJS.Signals): string | undefined {
  try {
    process.kill(pid, signal);
    return undefined;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    return code === 'ESRCH' ? 'no_such_process' : 'signal_not_allowed';
  }
}

/** The application writes this file, so it is read as any input: bounded, and only what is a PID. */
async function pidIn(file: string): Promise<readonly number[]> {
  try {
    await using opened = await open(file);
    const { buffer, bytesRead } = await opened.read(Buffer.alloc(MOST_BYTES), 0, MOST_BYTES, 0);
    return accepted([buffer.toString('latin1', 0, bytesRead).trim()]);
  } catch {
    return [];
  }
}

async function pidsOf(name: string): Promise<readonly number[]> {
  const found: string[] = [];
  for (const entry of await readdir('/proc').catch(() => [])) {
    if (!PID.test(entry)) continue;
    const comm = await readFile(`/proc/${entry}/comm`, 'utf8').catch(() => '');
    if (comm.trimEnd() === name) found.push(entry);
  }
  return accepted(found);
}

function accepted(texts: readonly string[]): readonly number[] {
  return texts
    .filter((text) => PID.test(text))
    .map(Number)
    .filter((pid) => pid !== process.pid);
}
