import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { systemClock } from '../../../../src/process/clock.ts';
import { callHttp } from '../../../../src/delivery/agent/application/call-http.ts';
import { runCommand } from '../../../../src/delivery/agent/application/run-command.ts';
import { sendSignal } from '../../../../src/delivery/agent/application/send-signal.ts';
import { until } from '../../../kit/backends/until.ts';
import { eventually } from '../../../kit/time/eventually.ts';
import { HandClock } from '../../../kit/time/hand-clock.ts';

/** The agent keeps running. */
const NEVER = new AbortController().signal;

let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'quaymaster-actions-'));
});

afterAll(async () => {
  await rm(directory, { recursive: true });
});

async function file(text: string): Promise<string> {
  const path = join(directory, Math.random().toString(36).slice(2));
  await writeFile(path, text);
  return path;
}

function command(...words: readonly string[]): Promise<string | undefined> {
  return runCommand({ command: words, timeoutMs: 120_000 }, systemClock, NEVER);
}

describe('a command', () => {
  it('is an argument list: nothing of it is interpreted', async () => {
    const seen = join(directory, 'seen');
    const hostile = '$(touch /nowhere); `x` && "q" *';
    expect(await command('sh', '-c', 'printf %s "$1" > "$2"', 'sh', hostile, seen)).toBeUndefined();
    expect(await readFile(seen, 'utf8')).toBe(hostile);
  });

  it('reports its failure by a code', async () => {
    expect(await command('sh', '-c', 'echo secret; echo secret >&2; exit 3')).toBe(
      'command_exit_3',
    );
    expect(await command('sh', '-c', 'kill -TERM $$')).toBe('command_sigterm');
    expect(await command('/nowhere/program')).toBe('command_not_started');
    expect(await command('true', 'x'.repeat(200_000))).toBe('command_not_started');
  });

  it('is killed with its children at its time-out', async () => {
    const pid = join(directory, 'pid');
    const words = ['sh', '-c', 'sleep 60 & echo $! > "$0"; wait', pid];
    const clock = new HandClock();
    const ended = runCommand({ command: words, timeoutMs: 1_000 }, clock, NEVER);
    const started = await eventually('it has started', async () => {
      const text = await readFile(pid, 'utf8').catch(() => '');
      return text.endsWith('\n') ? Number(text) : undefined;
    });
    clock.advance(1_000);
    expect(await ended).toBe('command_timeout');
    await until('the grandchild is gone', async () => {
      const stat = await readFile(`/proc/${started}/stat`, 'utf8').catch(() => '');
      return stat === '' || stat.includes(') Z ');
    });
  });
});

describe('an HTTP call', () => {
  let server: Server;
  let url: string;
  const asked: string[] = [];

  beforeAll(async () => {
    server = createServer(({ method = '', url: path = '' }, response) => {
      asked.push(`${method} ${path}`);
      if (path === '/silent') return;
      const status = Number(path.slice(1));
      response.writeHead(status, status === 302 ? { location: '/200' } : {}).end('secret');
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });

  afterAll(() => {
    server.closeAllConnections();
    server.close();
  });

  function call(path: string, timeoutMs = 120_000): Promise<string | undefined> {
    return callHttp({ url: `${url}${path}`, method: 'POST', timeoutMs }, systemClock, NEVER);
  }

  it('succeeds with 2xx and follows no redirect', async () => {
    expect(await call('/204')).toBeUndefined();
    expect(await call('/503')).toBe('http_503');
    expect(await call('/302')).toBe('http_302');
    expect(asked).toEqual(['POST /204', 'POST /503', 'POST /302']);
  });

  it('is bounded in time', async () => {
    expect(await call('/silent', 200)).toBe('http_timeout');
  });

  it('reports http_no_answer if nothing listens', async () => {
    const unreachable = { url: 'http://127.0.0.1:9/', method: 'POST', timeoutMs: 120_000 } as const;
    expect(await callHttp(unreachable, systemClock, NEVER)).toBe('http_no_answer');
  });
});

describe('a signal', () => {
  let child: ChildProcess;
  const ends = (): Promise<readonly unknown[]> => once(child, 'exit');

  function started(): ChildProcess {
    child = spawn('sleep', ['60'], { stdio: 'ignore' });
    return child;
  }

  it('goes to the process of a PID file', async () => {
    const pidFile = await file(`${started().pid}\n`);
    const ended = ends();
    expect(sendSignal({ kind: 'signal', signal: 'SIGHUP', pidFile, process: undefined })).toBe(
      undefined,
    );
    expect(await ended).toEqual([null, 'SIGHUP']);
  });

  it.each(['0', '1', '-1', '-5', '', 'abc', '12 34', '1e3', `${process.pid}`, '9'.repeat(30)])(
    'goes nowhere for a PID file with the content "%s"',
    async (text) => {
      const pidFile = await file(text);
      const action = { kind: 'signal', signal: 'SIGCONT', pidFile, process: undefined } as const;
      expect(sendSignal(action)).toBe('no_pid_in_file');
    },
  );

  it('does not block on a PID file that is not a regular file', async () => {
    const pipe = join(directory, 'pipe');
    execFileSync('mkfifo', [pipe]);
    const action = { kind: 'signal', signal: 'SIGCONT', process: undefined } as const;
    for (const pidFile of [pipe, directory, '/dev/zero', await file('1'.repeat(100))]) {
      expect(sendSignal({ ...action, pidFile })).toBe('pid_file_unreadable');
    }
    const pidFile = join(directory, 'nowhere');
    expect(sendSignal({ ...action, pidFile })).toBe('no_pid_file');
  });

  it('reports that the process is gone', async () => {
    const ended = ends();
    const pidFile = await file(`${started().pid}`);
    child.kill('SIGKILL');
    await once(child, 'exit');
    const action = { kind: 'signal', signal: 'SIGHUP', pidFile, process: undefined } as const;
    expect(sendSignal(action)).toBe('no_such_process');
    void ended;
  });

  it('is not sent to a zombie process', async () => {
    const name = `qz${Math.random().toString(36).slice(2, 10)}`;
    const program = join(directory, name);
    await copyFile('/bin/sleep', program);
    // The shell is replaced by a program that waits for no child.
    const script = '"$0" 0.3 & echo $! > "$1"; exec sleep 60';
    const pidFile = join(directory, 'zombie');
    const parent = spawn('sh', ['-c', script, program, pidFile], { stdio: 'ignore' });
    await until('it has ended', async () => {
      const pid = (await readFile(pidFile, 'utf8').catch(() => '')).trim();
      return (await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')).includes(') Z ');
    });
    const action = { kind: 'signal', signal: 'SIGHUP' } as const;
    expect(sendSignal({ ...action, pidFile, process: undefined })).toBe('no_such_process');
    expect(sendSignal({ ...action, pidFile: undefined, process: name })).toBe('no_such_process');
    parent.kill('SIGKILL');
  });

  it('finds a process by its name', async () => {
    const name = `qm${Math.random().toString(36).slice(2, 10)}`;
    const program = join(directory, name);
    await rm(program, { force: true });
    await copyFile('/bin/sleep', program);
    child = spawn(program, ['60'], { stdio: 'ignore' });
    const ended = ends();
    await until('it runs', async () => {
      const comm = await readFile(`/proc/${child.pid}/comm`, 'utf8').catch(() => '');
      return comm.trim() === name;
    });
    const action = { kind: 'signal', signal: 'SIGTERM', pidFile: undefined } as const;
    expect(sendSignal({ ...action, process: name })).toBeUndefined();
    expect(await ended).toEqual([null, 'SIGTERM']);
    expect(sendSignal({ ...action, process: name })).toBe('no_such_process');
  });
});
