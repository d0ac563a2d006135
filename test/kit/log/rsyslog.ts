import { once } from 'node:events';
import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { dirname, join } from 'node:path';
import { freePort } from '../backends/free-port.ts';
import { endProcess, type ProcessId } from '../backends/process-id.ts';
import { startServer } from '../backends/server-process.ts';
import type { Tool } from '../backends/tool.ts';
import { CertificateAuthority } from '../network/certificates.ts';
import { parseSyslog, type SyslogMessage } from './sink-receivers.ts';

/** The real rsyslog: receives RFC 5424 over TLS with octet counting, and appends each message as it came to a file. */
export class Rsyslog {
  readonly port: number;
  /** The authority that signed its certificate, PEM. */
  readonly ca: string;
  readonly #tool: Tool;
  readonly #directory: string;
  #server: ProcessId | undefined;

  private constructor(tool: Tool, directory: string, reached: { port: number; ca: string }) {
    this.#tool = tool;
    this.#directory = directory;
    ({ port: this.port, ca: this.ca } = reached);
  }

  static async start(tool: Tool): Promise<Rsyslog> {
    const directory = await mkdtemp(join(tool.directory, 'rsyslog-'));
    const authority = new CertificateAuthority();
    const { cert, key } = authority.issue({ commonName: 'siem', ipAddresses: ['127.0.0.1'] });
    const at = (file: string): string => join(directory, file);
    await writeFile(at('ca.pem'), authority.cert);
    await writeFile(at('cert.pem'), cert);
    await writeFile(at('key.pem'), key, { mode: 0o600 });
    const port = await freePort();
    const lines = [
      // A message can be as long as an entry, and its text must not be changed.
      `global(maxMessageSize="128k" workDirectory="${directory}"`,
      `  defaultNetstreamDriverCAFile="${at('ca.pem')}"`,
      `  defaultNetstreamDriverCertFile="${at('cert.pem')}"`,
      `  defaultNetstreamDriverKeyFile="${at('key.pem')}"`,
      '  parser.escapeControlCharactersOnReceive="off")',
      'module(load="imtcp" streamDriver.name="gtls" streamDriver.mode="1" streamDriver.authMode="anon")',
      'template(name="raw" type="string" string="%rawmsg%\\n")',
      'ruleset(name="audit") {',
      `  action(type="omfile" file="${at('audit.log')}" template="raw" asyncWriting="off")`,
      '}',
      `input(type="imtcp" address="127.0.0.1" port="${port}" ruleset="audit" supportOctetCountedFraming="on")`,
    ];
    await writeFile(at('rsyslog.conf'), `${lines.join('\n')}\n`);
    const rsyslog = new Rsyslog(tool, directory, { port, ca: authority.cert });
    await rsyslog.restart();
    return rsyslog;
  }

  /** Starts it again, also after a stop. */
  async restart(): Promise<void> {
    await this.stop();
    const { program } = this.#tool;
    const root = join(dirname(program), '../..');
    const libraries = join(
      root,
      'usr/lib',
      `${process.arch === 'x64' ? 'x86_64' : 'aarch64'}-linux-gnu`,
    );
    this.#server = await startServer({
      command: program,
      args: [
        '-n',
        '-f',
        join(this.#directory, 'rsyslog.conf'),
        '-i',
        join(this.#directory, 'rsyslog.pid'),
        '-M',
        join(libraries, 'rsyslog'),
      ],
      cwd: this.#directory,
      logFile: join(this.#directory, 'server.log'),
      env: { LD_LIBRARY_PATH: libraries },
      keep: false,
      ready: () => isListening(this.port),
    });
  }

  /** The path of the file of messages. */
  get file(): string {
    return join(this.#directory, 'audit.log');
  }

  async stop(): Promise<void> {
    if (this.#server !== undefined) await endProcess(this.#server);
    this.#server = undefined;
  }

  /** The messages in its file, in the order of their arrival. */
  async messages(): Promise<readonly SyslogMessage[]> {
    const text = await readFile(this.file, 'utf8').catch(() => '');
    return text.split('\n').slice(0, -1).map(parseSyslog);
  }
}

async function isListening(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } finally {
    socket.destroy();
  }
}
