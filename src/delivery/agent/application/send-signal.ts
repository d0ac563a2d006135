import { readdirSync, readFileSync } from 'node:fs';
import type { SignalAction } from '../../settings/actions.ts';
import { codeOf } from '../../failures.ts';
import { readSmallFile } from '../../files/read-file.ts';

/** A PID in decimal: never 0, 1 or a negative number, which mean process groups, `init` and all processes. */
const PID = /^(?:[2-9]|[1-9][0-9]{1,9})$/;
const MOST_BYTES = 32;

/**
 * Sends the signal right after the check of the process: during a wait between them, its number could be reused.
 * @returns why it failed, as a code; undefined on success
 */
export function sendSignal({ signal, pidFile, process: name }: SignalAction): string | undefined {
  return pidFile === undefined ? signalAll(name ?? '', signal) : signalOne(pidFile, signal);
}

/** The application writes this file, so it is untrusted input: bounded, and only a PID is accepted. */
function signalOne(pidFile: string, signal: NodeJS.Signals): string | undefined {
  let text: string;
  try {
    text = readSmallFile(pidFile, MOST_BYTES).text.trim();
  } catch (error) {
    return ['ENOENT', 'ENOTDIR'].includes(codeOf(error)) ? 'no_pid_file' : 'pid_file_unreadable';
  }
  if (!isOther(text)) return 'no_pid_in_file';
  return processAt(text)?.hasEnded === true ? 'no_such_process' : failureOf(text, signal);
}

/** A process of another user does not stop the others from being signalled; one that ends meanwhile is not counted. */
function signalAll(name: string, signal: NodeJS.Signals): string | undefined {
  const failures: (string | undefined)[] = [];
  for (const pid of processes()) {
    if (!isOther(pid)) continue;
    const found = processAt(pid);
    if (found === undefined || found.hasEnded || found.name !== name) continue;
    const failure = failureOf(pid, signal);
    if (failure !== 'no_such_process') failures.push(failure);
  }
  if (failures.length === 0) return 'no_such_process';
  return failures.find((failure) => failure !== undefined);
}

/** Lists the processes. Without `/proc` there are none. */
function processes(): readonly string[] {
  try {
    return readdirSync('/proc');
  } catch {
    return [];
  }
}

interface FoundProcess {
  readonly name: string;
  /** A zombie: signals to it succeed without an effect, because its parent has not waited for it. */
  readonly hasEnded: boolean;
}

/** Reads a process as in proc_pid_stat(5): the name may contain any character, and stands between the first bracket and the last. */
function processAt(pid: string): FoundProcess | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const end = text.lastIndexOf(')');
    const name = text.slice(text.indexOf('(') + 1, end);
    return { name, hasEnded: ['Z', 'X'].includes(text.charAt(end + 2)) };
  } catch {
    return undefined;
  }
}

function failureOf(pid: string, signal: NodeJS.Signals): string | undefined {
  try {
    process.kill(Number(pid), signal);
    return undefined;
  } catch (error) {
    return codeOf(error) === 'ESRCH' ? 'no_such_process' : 'signal_not_allowed';
  }
}

function isOther(pid: string): boolean {
  return PID.test(pid) && Number(pid) !== process.pid;
}
