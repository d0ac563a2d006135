import type { Sensitive } from '../../../domain/sensitive.ts';
import type { TlsIdentity } from '../../../net/https/tls-identity.ts';

/** What the next request to the API server is made with. */
export interface KubernetesCredential {
  readonly tls: TlsIdentity;
  readonly headers: Sensitive<Readonly<Record<string, string>>>;
}

/** Asked before each request, because tokens rotate. */
export interface KubernetesCredentials {
  readonly server: URL;
  /** @throws ERR_PROVIDER_UNAVAILABLE when the credential cannot be read. */
  current(): Promise<KubernetesCredential>;
}
