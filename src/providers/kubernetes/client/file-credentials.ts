import { Sensitive } from '../../../domain/sensitive.ts';
import type { KubernetesCredential, KubernetesCredentials } from './kubernetes-credentials.ts';
import { WatchedFile } from '../../../net/watched-file.ts';

/** Where Kubernetes mounts a pod's service account. */
const MOUNT = '/var/run/secrets/kubernetes.io/serviceaccount';

export interface CredentialFiles {
  readonly server: string;
  readonly tokenFile: string;
  readonly caFile?: string | undefined;
}

/** The API server's name inside every cluster is in its certificate; no variable of the environment is needed. */
export const IN_CLUSTER: CredentialFiles = {
  server: 'https://kubernetes.default.svc',
  tokenFile: `${MOUNT}/token`,
  caFile: `${MOUNT}/ca.crt`,
};

/** A bearer token and a CA in files that rotate under us. */
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
