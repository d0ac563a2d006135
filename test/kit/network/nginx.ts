import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freePort } from '../backends/free-port.ts';
import { endProcess, type ProcessId } from '../backends/process-id.ts';
import { startServer } from '../backends/server-process.ts';
import type { Tool } from '../backends/tool.ts';

/** A request as the proxy understood it. `uri` is the path after all decoding, by which its rules decide. */
export interface Judged {
  readonly id: string;
  readonly method: string;
  readonly uri: string;
}

interface NginxServer {
  /** Lines of the server, such as locations; `http://backend` is the server behind the proxy. */
  readonly lines: readonly string[];
}

/** The real nginx in front of one server. It gives each request an id of its own in `X-Request-Id`. */
export class Nginx {
  /** Ports in the order of the servers. */
  readonly ports: readonly number[];
  readonly #directory: string;
  readonly #process: ProcessId;

  private constructor(ports: readonly number[], directory: string, process: ProcessId) {
    this.ports = ports;
    this.#directory = directory;
    this.#process = process;
  }

  static async start(
    { program, directory: home }: Tool,
    backendPort: number,
    servers: readonly NginxServer[],
  ): Promise<Nginx> {
    const directory = await mkdtemp(join(home, 'nginx-'));
    const free = new Set<number>();
    while (free.size < servers.length) free.add(await freePort());
    const ports = [...free];
    const kinds = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
    const text = [
      'daemon off;',
      'master_process off;',
      `pid ${directory}/nginx.pid;`,
      'error_log stderr;',
      'events {}',
      'http {',
      ...kinds.map((kind) => `${kind}_temp_path ${directory}/${kind};`),
      `log_format judged escape=json '{"id":"$request_id","method":"$request_method","uri":"$uri"}';`,
      `access_log ${directory}/access.log judged;`,
      `upstream backend { server 127.0.0.1:${backendPort}; keepalive 8; }`,
      'proxy_http_version 1.1;',
      // Tests close their side after the last byte, and still want the answer.
      'proxy_ignore_client_abort on;',
      'proxy_set_header Connection "";',
      'proxy_set_header X-Request-Id $request_id;',
      ...servers.map(
        ({ lines }, index) => `server { listen 127.0.0.1:${ports[index]}; ${lines.join(' ')} }`,
      ),
      '}',
    ];
    const config = join(directory, 'nginx.conf');
    await writeFile(config, `${text.join('\n')}\n`);
    const process = await startServer({
      command: program,
      args: ['-p', directory, '-c', config, '-e', 'stderr'],
      cwd: directory,
      logFile: join(directory, 'server.log'),
      keep: false,
      ready: async () => (await fetch(`http://127.0.0.1:${ports[0]}/`)).status > 0,
    });
    return new Nginx(ports, directory, process);
  }

  /** The requests that it has finished. */
  async judged(): Promise<readonly Judged[]> {
    const text = await readFile(join(this.#directory, 'access.log'), 'utf8');
    return text
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as Judged);
  }

  async stop(): Promise<void> {
    await endProcess(this.#process);
  }
}
