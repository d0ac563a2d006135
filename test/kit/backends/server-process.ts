import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { findProgram } from './find-program.ts';
import type { Host } from '../network/network-namespaces.ts';
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
  /** The host of a network that the server runs on. */
  readonly host?: Host;
}

const READY_WITHIN_MS = 180_000;

// A killed test run runs no teardown, so the kernel ends its servers (prctl(2), PR_SET_PDEATHSIG).
function boundToParent({ command, args, keep }: ServerCommand): readonly string[] {
  const setpriv = keep ? null : findProgram('setpriv');
  return [...(setpriv === null ? [] : [setpriv, '--pdeathsig', 'KILL']), command, ...args];
}

/** Builds the command line inside a host's network. Only root may enter it, so the process changes its user there. */
function onHost({ host, user }: ServerCommand, line: readonly string[]): readonly string[] {
  if (host === undefined) return line;
  const ids =
    user === undefined ? [] : [`--reuid=${user.uid}`, `--regid=${user.gid}`, '--clear-groups'];
  return host.command(['setpriv', ...ids, ...line]);
}

function launch(server: ServerCommand): ChildProcess {
  const log = openSync(server.logFile, 'a', 0o600);
  const [command = '', ...args] = onHost(server, boundToParent(server));
  const child = spawn(command, args, {
    cwd: server.cwd,
    env: { ...process.env, ...server.env },
    stdio: ['ignore', log, log],
    detached: true,
    ...(server.host === undefined && server.user),
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

/** Starts a server and waits until it is ready. Throws with the end of its log if it ends or is not ready within 180 s. */
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
