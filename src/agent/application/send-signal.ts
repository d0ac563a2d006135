import { readdir, readFile } from 'node:fs/promises';
import type { SignalAction } from '../config/actions.ts';
import { codeOf } from '../delivery/code-of.ts';
import { readSmallFile } from '../read-small-file.ts';

/** A PID in decimal: never 0, 1 or a negative number, which are process groups, `init` and everybody. */
const PID = /^(?:[2-9]|[1-9][0-9]{1,9})$/;
const MOST_BYTES = 32;

/** Processes, or a word that says why there are none. */
type Found = readonly number[] | string;

/** @returns why it failed, in a word; undefined when it did not. */
export async function sendSignal(action: SignalAction): Promise<string | undefined> {
  const { signal, pidFile, process: name } = action;
  const found = pidFile === undefined ? await pidsOf(name ?? '') : pidIn(pidFile);
  if (typeof found === 'string') return found;
  return found.map((pid) => failureOf(pid, signal)).find((failure) => failure !== undefined);
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
function pidIn(file: string): Found {
  try {
    const pids = accepted([readSmallFile(file, MOST_BYTES).text.trim()]);
    return pids.length > 0 ? pids : 'no_pid_in_file';
  } catch (error) {
    return ['ENOENT', 'ENOTDIR'].includes(codeOf(error)) ? 'no_pid_file' : 'pid_file_unreadable';
  }
}

async function pidsOf(name: string): Promise<Found> {
  const found: string[] = [];
  for (const entry of await readdir('/proc').catch(() => [])) {
    if (!PID.test(entry)) continue;
    const comm = await readFile(`/proc/${entry}/comm`, 'utf8').catch(() => '');
    if (comm.trimEnd() === name) found.push(entry);
  }
  const pids = accepted(found);
  return pids.length > 0 ? pids : 'no_such_process';
}

function accepted(texts: readonly string[]): readonly number[] {
  return texts
    .filter((text) => PID.test(text))
    .map(Number)
    .filter((pid) => pid !== process.pid);
}
