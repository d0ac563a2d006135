import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** A live process that listens at a unix socket and accepts no connection: its backlog is full, and `connect` fails with EAGAIN. */
export class BusySocket {
  readonly #process: ChildProcess;
  readonly #waiting: readonly Socket[];

  private constructor(process: ChildProcess, waiting: readonly Socket[]) {
    this.#process = process;
    this.#waiting = waiting;
  }

  static async listen(path: string): Promise<BusySocket> {
    const script = `require('node:net').createServer().listen({ path: ${JSON.stringify(path)}, backlog: 1 },
      () => { process.stdout.write('up', () => process.kill(process.pid, 'SIGSTOP')); })`;
    const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(child.stdout, 'data');
    const waiting: Socket[] = [];
    for (;;) {
      const socket = connect(path);
      const code = await Promise.race([
        once(socket, 'connect').then(() => undefined),
        once(socket, 'error').then(([error]) => (error as NodeJS.ErrnoException).code),
      ]).catch((error: unknown) => (error as NodeJS.ErrnoException).code);
      if (code === 'EAGAIN') return new BusySocket(child, waiting);
      waiting.push(socket);
    }
  }

  async close(): Promise<void> {
    for (const socket of this.#waiting) socket.destroy();
    const ended = once(this.#process, 'exit');
    this.#process.kill('SIGKILL');
    await ended;
  }
}
