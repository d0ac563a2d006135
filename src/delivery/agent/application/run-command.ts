import type { ChildProcess } from 'node:child_process';
import type { Clock } from '../../../ports/clock.ts';
import type { CommandAction } from '../../settings/actions.ts';

/**
 * Runs a program to its end. Its output is discarded, because a program that has secrets may print them. At the time limit its whole process group is
 * killed, and also when `ended` aborts. @returns why it failed, as a code; undefined on success
 */
export async function runCommand(
  { command: [program = '', ...words], timeoutMs }: Pick<CommandAction, 'command' | 'timeoutMs'>,
  clock: Clock,
  ended: AbortSignal,
): Promise<string | undefined> {
  // Loaded with the first command: most agents run none at their start.
  const { spawn } = await import('node:child_process');
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  let child: ChildProcess;
  try {
    child = spawn(program, words, { stdio: 'ignore', shell: false, detached: true });
  } catch {
    // spawn throws errors that libuv does not expect at a start: E2BIG, ENOMEM.
    return 'command_not_started';
  }
  const kill = (why: string): void => {
    killGroup(child);
    resolve(why);
  };
  const cancel = clock.after(timeoutMs, () => kill('command_timeout'));
  const giveUp = (): void => kill('agent_ended');
  ended.addEventListener('abort', giveUp);
  child.once('error', () => resolve('command_not_started'));
  child.once('exit', (code, signal) => {
    if (code === 0) resolve(undefined);
    else resolve(signal === null ? `command_exit_${code ?? 0}` : `command_${signal.toLowerCase()}`);
  });
  const reason = await promise;
  cancel();
  ended.removeEventListener('abort', giveUp);
  return reason;
}

function killGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // The process ended meanwhile.
  }
}
