import type { ChildProcess } from 'node:child_process';
import type { Clock } from '../../../ports/clock.ts';
import type { CommandAction } from '../../settings/actions.ts';

/**
 * Runs a program to its end. Its output goes nowhere, because a program that was given secrets may print them; when its time is up its whole
 * process group is killed, and so it is when `over` says that the agent waits no longer. @returns why it failed, in a word; undefined when it did not.
 */
export async function runCommand(
  { command: [program = '', ...words], timeoutMs }: Pick<CommandAction, 'command' | 'timeoutMs'>,
  clock: Clock,
  over: AbortSignal,
): Promise<string | undefined> {
  // Loaded with the first command: most agents run none at their start.
  const { spawn } = await import('node:child_process');
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  let child: ChildProcess;
  try {
    child = spawn(program, words, { stdio: 'ignore', shell: false, detached: true });
  } catch {
    // What libuv does not foresee at a start is thrown: E2BIG, ENOMEM.
    return 'command_not_started';
  }
  const end = (why: string): void => {
    killGroup(child);
    resolve(why);
  };
  const cancel = clock.after(timeoutMs, () => end('command_timeout'));
  const giveUp = (): void => end('agent_ended');
  over.addEventListener('abort', giveUp);
  child.once('error', () => resolve('command_not_started'));
  child.once('exit', (code, signal) => {
    if (code === 0) resolve(undefined);
    else resolve(signal === null ? `command_exit_${code ?? 0}` : `command_${signal.toLowerCase()}`);
  });
  const reason = await promise;
  cancel();
  over.removeEventListener('abort', giveUp);
  return reason;
}

function killGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It has ended meanwhile.
  }
}
