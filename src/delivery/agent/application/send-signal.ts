import { readdirSync, readFileSync } from 'node:fs';
import type { SignalAction } from '../../settings/actions.ts';
import { codeOf } from '../../failures.ts';
import { readSmallFile } from '../../files/read-file.ts';

/** A PID in decimal: never 0, 1 or a negative number, which are process groups, `init` and everybody. */
const PID = /^(?:[2-9]|[1-9][0-9]{1,9})$/;
const MOST_BYTES = 32;

/**
 * Between looking at a process and signalling it nothing is waited for: that is the time in which its number could become another's.
 * @returns why it failed, in a word; undefined when it did not.
 */
export function sendSignal({ signal, pidFile, process: name }: SignalAction): string | undefined {
  return pidFile === undefined ? signalAll(name ?? '', signal) : signalOne(pidFile, signal);
}

/** The application writes this file, so it is read as any input: bounded, and only what is a PID. */
function signalOne(pidFile: string, signal: NodeJS.Signals): string | undefined {
  let text: string;
  try {
    text = readSmallFile(pidFile, MOST_BYTES).text.trim();
  } catch (error) {
    return ['ENOENT', 'ENOTDIR'].includes(codeOf(error)) ? 'no_pid_file' : 'pid_file_unreadable';
  }
  if (!isSomebodyElse(text)) return 'no_pid_in_file';
  return processAt(text)?.hasEnded === true ? 'no_such_process' : failureOf(text, signal);
}

/** One that belongs to somebody else keeps no other from hearing; one that ends meanwhile was none. */
function signalAll(name: string, signal: NodeJS.Signals): string | undefined {
  const failures: (string | undefined)[] = [];
  for (const pid of processes()) {
    if (!isSomebodyElse(pid)) continue;
    const found = processAt(pid);
    if (found === undefined || found.hasEnded || found.name !== name) continue;
    const failure = failureOf(pid, signal);
    if (failure !== 'no_such_process') failures.push(failure);
  }
  if (failures.length === 0) return 'no_such_process';
  return failures.find((failure) => failure !== undefined);
}

/** Where there is no `/proc`, nobody is found. */
function processes(): readonly string[] {
  try {
    return readdirSync('/proc');
  } catch {
    return [];
  }
}

interface FoundProcess {
  readonly name: string;
  /** It hears nothing any more, though signals to it succeed: its parent has not taken notice of its end. */
  readonly hasEnded: boolean;
}

/** As proc_pid_stat(5) has it: the name, in which everything may stand, is between the first bracket and the last. */
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

function isSomebodyElse(pid: string): boolean {
  return PID.test(pid) && Number(pid) !== process.pid;
}
