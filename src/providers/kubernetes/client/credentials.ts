import { Sensitive } from '../../../domain/secrets/sensitive.ts';
import type { TlsIdentity } from '../../../net/https/tls-identity.ts';
import { WatchedFile } from '../../../net/watched-file.ts';
import type { RequestOptions } from 'node:https';
import type { KubeConfig } from '@kubernetes/client-node';
import { BrokerError } from '../../../domain/errors.ts';

/** The credential of the next request to the API server. */
export interface KubernetesCredential {
  readonly tls: TlsIdentity;
  readonly headers: Sensitive<Readonly<Record<string, string>>>;
}

/** Source of credentials, queried before each request, because tokens rotate. */
export interface KubernetesCredentials {
  readonly server: URL;
  /** @throws ERR_PROVIDER_UNAVAILABLE if the credential cannot be read. */
  current(): Promise<KubernetesCredential>;
}

/** The path at which Kubernetes mounts a pod's service account. */
const MOUNT = '/var/run/secrets/kubernetes.io/serviceaccount';

export interface CredentialFiles {
  readonly server: string;
  readonly tokenFile: string;
  readonly caFile?: string | undefined;
}

/** The certificate of each API server contains its name inside the cluster, so no environment variable is needed. */
export const IN_CLUSTER: CredentialFiles = {
  server: 'https://kubernetes.default.svc',
  tokenFile: `${MOUNT}/token`,
  caFile: `${MOUNT}/ca.crt`,
};

/** A bearer token and a CA in files that rotate while the broker runs. */
export class FileCredentials implements KubernetesCredentials {
  readonly server: URL;
  readonly #token: WatchedFile;
  readonly #ca: WatchedFile | undefined;

  constructor(files: CredentialFiles) {
    this.server = new URL(files.server);
    this.#token = new WatchedFile(files.tokenFile);
    this.#ca = files.caFile === undefined ? undefined : new WatchedFile(files.caFile);
  }

  async current(): Promise<KubernetesCredential> {
    const [token, ca] = await Promise.all([this.#token.text(), this.#ca?.text()]);
    return {
      tls: ca === undefined ? {} : { ca },
      headers: new Sensitive({ authorization: `Bearer ${token.trim()}` }),
    };
  }
}

/**
 * Loads client-node only if a kubeconfig file is used, because its part in the built program takes 36 MB and 90 ms (measured). It supports certificates, tokens and
 * exec plugins.
 * @throws ERR_CONFIG_INVALID.
 */
export async function loadKubeconfig(
  file: string,
  context: string | undefined,
): Promise<KubernetesCredentials> {
  const { KubeConfig } = await import('./kube-config.ts');
  const config = new KubeConfig();
  try {
    config.loadFromFile(file);
    if (context !== undefined) config.setCurrentContext(context);
  } catch (cause) {
    throw new BrokerError('ERR_CONFIG_INVALID', 'the kubeconfig file cannot be read', { cause });
  }
  return new KubeconfigCredentials(config);
}

class KubeconfigCredentials implements KubernetesCredentials {
  readonly server: URL;
  readonly #config: KubeConfig;

  constructor(config: KubeConfig) {
    const cluster = config.getCurrentCluster();
    const server = URL.parse(cluster?.server ?? '');
    if (cluster === null || server?.protocol !== 'https:') {
      throw refused('its context must name a cluster with an https server');
    }
    if (cluster.skipTLSVerify) throw refused('insecure-skip-tls-verify is not supported');
    if (cluster.proxyUrl !== undefined) throw refused('proxy-url is not supported');
    if (config.getCurrentUser()?.username !== undefined)
      throw refused('passwords are not supported');
    this.server = server;
    this.#config = config;
  }

  async current(): Promise<KubernetesCredential> {
    const options: RequestOptions = { headers: {} };
    try {
      await this.#config.applyToHTTPSOptions(options);
    } catch (cause) {
      throw new BrokerError('ERR_PROVIDER_UNAVAILABLE', undefined, { cause });
    }
    return { tls: identityOf(options), headers: new Sensitive(headersOf(options)) };
  }
}

function identityOf(options: RequestOptions): TlsIdentity {
  const ca = pem(options.ca);
  const cert = pem(options.cert);
  const key = pem(options.key);
  return {
    ...(ca !== undefined && { ca }),
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
    ...(options.servername !== undefined && { serverName: options.servername }),
  };
}

function pem(value: unknown): string | undefined {
  if (value === undefined || value === null) return undefined;
  return typeof value === 'string' ? value : Buffer.from(value as Uint8Array).toString('utf8');
}

function headersOf(options: RequestOptions): Record<string, string> {
  const headers = Object.entries(options.headers ?? {});
  return Object.fromEntries(headers.map(([name, value]) => [name, String(value)]));
}

function refused(why: string): BrokerError {
  return new BrokerError('ERR_CONFIG_INVALID', `the kubeconfig file is not usable: ${why}`);
}
