import { freePort } from '../../test/kit/backends/free-port.ts';
import { endProcess } from '../../test/kit/backends/process-id.ts';
import { startServer } from '../../test/kit/backends/server-process.ts';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** A measured server: its address and the process that carries its load. */
export interface Measured {
  readonly url: string;
  readonly pid: number;
  readonly stop: () => Promise<unknown>;
}

const PROGRAM = fileURLToPath(new URL('hello.ts', import.meta.url));

/** Starts the bare node:http server. */
export async function startRawHttp(directory: string): Promise<Measured> {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const server = await startServer({
    command: process.execPath,
    args: [PROGRAM, String(port)],
    cwd: directory,
    logFile: join(directory, 'hello.log'),
    keep: false,
    ready: async () => (await fetch(url)).ok,
  });
  return { url, pid: server.pid, stop: () => endProcess(server) };
}
