import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import BetterSqlite3 from 'better-sqlite3';
import { freePort } from '../backends/free-port.ts';
import { endProcess, type ProcessId } from '../backends/process-id.ts';
import { startServer } from '../backends/server-process.ts';
import type { Tool } from '../backends/tool.ts';

const run = promisify(execFile);
/** SHA-256 of nothing, in base64: the root of an empty tree. */
const EMPTY_ROOT = '47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=';

/** The real litewitness, with a key in an ssh-agent of its own. */
export class LiteWitness {
  readonly url: string;
  /** Verifier key of the witness. */
  readonly key: string;
  readonly #directory: string;
  readonly #processes: readonly ProcessId[];

  private constructor(
    url: string,
    key: string,
    started: { readonly directory: string; readonly processes: readonly ProcessId[] },
  ) {
    this.url = url;
    this.key = key;
    this.#directory = started.directory;
    this.#processes = started.processes;
  }

  static async start(tool: Tool, name: string): Promise<LiteWitness> {
    const directory = await mkdtemp(join(tool.directory, 'witness-'));
    const at = (file: string): string => join(directory, file);
    const common = { cwd: directory, keep: false };
    const agent = await startServer({
      ...common,
      command: 'ssh-agent',
      args: ['-D', '-a', at('agent.sock')],
      logFile: at('agent.log'),
      ready: () => stat(at('agent.sock')).then(() => true),
    });
    await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', at('key')]);
    const env = { ...process.env, SSH_AUTH_SOCK: at('agent.sock') };
    await run('ssh-add', ['-q', at('key')], { env });
    const { stdout } = await run('ssh-keygen', ['-lf', at('key.pub')]);
    const fingerprint = stdout.split(' ')[1] ?? '';
    const url = `http://127.0.0.1:${await freePort()}`;
    const witness = await startServer({
      ...common,
      command: tool.program,
      args: [
        '-name',
        name,
        '-db',
        at('witness.db'),
        '-key',
        fingerprint,
        '-ssh-agent',
        at('agent.sock'),
        '-listen',
        url.slice('http://'.length),
      ],
      logFile: at('server.log'),
      ready: async () => (await fetch(url)).ok,
    });
    const log = await readFile(at('server.log'), 'utf8');
    const key = /vkey="?([^\s"]+)/.exec(log)?.[1] ?? '';
    return new LiteWitness(url, key, { directory, processes: [witness, agent] });
  }

  /** Makes it accept a log, as its operator does with witnessctl, which does not build from the module proxy. */
  trust(logKey: string): void {
    const origin = /^[^+]+/.exec(logKey)?.[0] ?? '';
    const database = new BetterSqlite3(join(this.#directory, 'witness.db'));
    database.prepare('INSERT INTO log VALUES (?, 0, ?)').run(origin, EMPTY_ROOT);
    database.prepare('INSERT INTO key VALUES (?, ?)').run(origin, logKey);
    database.close();
  }

  /** Sets the tree that it cosigned last for all logs. */
  rollBack(): void {
    const database = new BetterSqlite3(join(this.#directory, 'witness.db'));
    database.prepare('UPDATE log SET tree_size = 0, tree_hash = ?').run(EMPTY_ROOT);
    database.close();
  }

  async stop(): Promise<void> {
    for (const each of this.#processes) await endProcess(each);
    await rm(this.#directory, { recursive: true });
  }
}
