import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { findProgram } from './find-program.ts';
import { endProcess, identify, type ProcessId } from './process-id.ts';

/** The command of a server; `keep` leaves it running after the process that started it. */
export interface ServerCommand {
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly logFile: string;
  readonly keep: boolean;
  readonly ready: () => Promise<boolean>;
  readonly env?: Readonly<Record<string, string>>;
  readonly user?: { readonly uid: number; readonly gid: number };
  readonly stopSignal?: NodeJS.Signals;
}

const READY_WITHIN_MS = 90_000;

// A killed test run runs no teardown, so the kernel ends its servers (prctl(2), PR_SET_PDEATHSIG).
function boundToParent(server: ServerCommand): { command: string; args: readonly string[] } {
  const setpriv = server.keep ? null : findProgram('setpriv');
  if (setpriv === null) return server;
  return { command: setpriv, args: ['--pdeathsig', 'KILL', server.command, ...server.args] };
}

function launch(server: ServerCommand): ChildProcess {
  const log = openSync(server.logFile, 'a', 0o600);
  const { command, args } = boundToParent(server);
  const child = spawn(command, args, {
    cwd: server.cwd,
    env: { ...process.env, ...server.env },
    stdio: ['ignore', log, log],
    detached: true,
    ...server.user,
  });
  closeSync(log);
  child.unref();
  return child;
}

function logTail(logFile: string): string {
  return readFileSync(logFile, 'utf8').split('\n').slice(-15).join('\n');
}

async function answers(ready: () => Promise<boolean>): Promise<boolean> {
  try {
    return await ready();
  } catch {
    return false;
  }
}

/** Starts a server and waits until it is ready. Throws with the end of its log if it ends or is not ready within 90 s. */
export async function startServer(server: ServerCommand): Promise<ProcessId> {
  const child = launch(server);
  const failure: { cause?: Error } = {};
  child.once('error', (cause) => (failure.cause = cause));
  const deadline = performance.now() + READY_WITHIN_MS;
  while (performance.now() < deadline) {
    if (failure.cause !== undefined) throw failure.cause;
    if (child.exitCode !== null || child.signalCode !== null) break;
    if (child.pid !== undefined && (await answers(server.ready))) {
      return identify(child.pid, server.stopSignal ?? 'SIGTERM');
    }
    await pause(50);
  }
  if (child.pid !== undefined) await endProcess(identify(child.pid, 'SIGKILL'));
  throw new Error(`${server.command} did not become ready:\n${logTail(server.logFile)}`);
}
