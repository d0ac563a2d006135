import { createHash, randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createClient } from '@redis/client';
import { installedProgram } from './cache.ts';
import { createDataDirectory } from './data-directory.ts';
import { startIn, type Footprint, type Running } from './footprint.ts';
import { freePort } from './free-port.ts';
import { REDIS } from './recipes.ts';
import { writeServerCertificate } from './server-certificate.ts';
import { startServer } from './server-process.ts';

/** A running Redis on loopback, in memory only, with its users in an ACL file; the account has all rights. */
export interface Redis extends Footprint {
  readonly host: string;
  readonly port: number;
  readonly tlsPort: number;
  readonly username: string;
  readonly password: string;
  /** PEM file of the authority that signed the server's certificate. */
  readonly caFile: string;
  readonly aclFile: string;
}

async function serverVersion(port: number, username: string, password: string): Promise<string> {
  const socket = { host: '127.0.0.1', port, reconnectStrategy: false } as const;
  const client = createClient({ username, password, socket }).on('error', () => undefined);
  await client.connect();
  try {
    const about = await client.sendCommand<string>(['INFO', 'server']);
    return /^redis_version:(\S+)/m.exec(about)?.[1] ?? '';
  } finally {
    client.destroy();
  }
}

/** Starts an empty Redis; `keep` leaves it running after this process. */
export async function startRedis({ keep = false } = {}): Promise<Running<Redis>> {
  const program = installedProgram(REDIS);
  const directory = await createDataDirectory('redis');
  return startIn(directory, async (processes) => {
    const { certFile, keyFile, caFile } = await writeServerCertificate(directory);
    const admin = { username: 'quaymaster', password: randomBytes(18).toString('hex') };
    const aclFile = join(directory, 'users.acl');
    const hash = createHash('sha256').update(admin.password).digest('hex');
    const users = `user default off\nuser ${admin.username} on #${hash} ~* &* +@all\n`;
    await writeFile(aclFile, users, { mode: 0o600 });
    const port = await freePort();
    const tlsPort = await freePort();
    const settings = {
      bind: '127.0.0.1',
      port: String(port),
      'tls-port': String(tlsPort),
      'tls-cert-file': certFile,
      'tls-key-file': keyFile,
      'tls-ca-cert-file': caFile,
      'tls-auth-clients': 'no',
      dir: directory,
      save: '',
      aclfile: aclFile,
    };
    const server = await startServer({
      command: program,
      args: Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]),
      cwd: directory,
      logFile: join(directory, 'server.log'),
      keep,
      ready: async () => (await serverVersion(port, admin.username, admin.password)) !== '',
    });
    processes.push(server);
    const version = await serverVersion(port, admin.username, admin.password);
    return {
      version,
      processes,
      directory,
      host: '127.0.0.1',
      port,
      tlsPort,
      ...admin,
      caFile,
      aclFile,
    };
  });
}
