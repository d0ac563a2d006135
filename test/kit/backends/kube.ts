import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { installedProgram } from './cache.ts';
import { createDataDirectory } from './data-directory.ts';
import { startEtcd } from './etcd.ts';
import { startIn, type Footprint, type Running } from './footprint.ts';
import { freePort } from './free-port.ts';
import { kubeRequest } from './kube-calls.ts';
import { KUBE_APISERVER } from './recipes.ts';
import { startServer } from './server-process.ts';

/** A running Kubernetes API server with its etcd; no controllers, scheduler or kubelet. `adminToken` belongs to system:masters. */
export interface Kube extends Footprint {
  readonly server: string;
  readonly caPem: string;
  readonly adminToken: string;
  readonly issuer: string;
  readonly saPublicKeyPem: string;
}

/** Differences from the default API server; `flags` are its own, without the dashes. */
export interface KubeOptions {
  readonly keep?: boolean;
  readonly issuer?: string;
  readonly audiences?: readonly string[];
  readonly flags?: Readonly<Record<string, string>>;
}

const DEFAULT_ISSUER = 'https://kubernetes.default.svc.cluster.local';

interface Credentials {
  readonly adminToken: string;
  readonly saPublicKeyPem: string;
}

async function writeCredentials(directory: string): Promise<Credentials> {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  });
  const adminToken = randomBytes(24).toString('hex');
  await writeFile(join(directory, 'sa.pub'), publicKey);
  await writeFile(join(directory, 'sa.key'), privateKey, { mode: 0o600 });
  const row = `${adminToken},admin,admin,"system:masters"\n`;
  await writeFile(join(directory, 'tokens.csv'), row, { mode: 0o600 });
  return { adminToken, saPublicKeyPem: publicKey };
}

function flagsOf(directory: string, etcdUrl: string, port: number, options: KubeOptions): string[] {
  const issuer = options.issuer ?? DEFAULT_ISSUER;
  const flags = {
    'etcd-servers': etcdUrl,
    'service-account-issuer': issuer,
    'service-account-key-file': join(directory, 'sa.pub'),
    'service-account-signing-key-file': join(directory, 'sa.key'),
    'api-audiences': (options.audiences ?? [issuer]).join(','),
    'authorization-mode': 'RBAC',
    'token-auth-file': join(directory, 'tokens.csv'),
    'secure-port': String(port),
    'bind-address': '127.0.0.1',
    'cert-dir': join(directory, 'certificates'),
    'service-cluster-ip-range': '10.0.0.0/24',
    ...options.flags,
  };
  return Object.entries(flags).map(([name, value]) => `--${name}=${value}`);
}

/** Starts an API server that contains only the objects that Kubernetes creates itself. */
export async function startKube(options: KubeOptions = {}): Promise<Running<Kube>> {
  const program = installedProgram(KUBE_APISERVER);
  const { keep = false, issuer = DEFAULT_ISSUER } = options;
  const directory = await createDataDirectory('kube');
  // The server writes them at its start: its own certificate, then the authority that signed it.
  const certificates = join(directory, 'certificates', 'apiserver.crt');
  return startIn(directory, async (processes) => {
    const credentials = await writeCredentials(directory);
    const etcd = await startEtcd(directory, keep);
    processes.push(etcd.process);
    const port = await freePort();
    const server = `https://127.0.0.1:${port}`;
    const apiserver = await startServer({
      command: program,
      args: flagsOf(directory, etcd.url, port, options),
      cwd: directory,
      logFile: join(directory, 'apiserver.log'),
      keep,
      ready: async () => {
        const caPem = await readFile(certificates, 'utf8');
        const access = { server, caPem, adminToken: credentials.adminToken };
        return (await kubeRequest(access, 'GET', '/readyz')).status === 200;
      },
    });
    processes.push(apiserver);
    const caPem = await readFile(certificates, 'utf8');
    const { version } = KUBE_APISERVER;
    return { version, processes, directory, server, caPem, issuer, ...credentials };
  });
}
