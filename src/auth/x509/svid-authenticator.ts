import {
  CLIENT_AUTHENTICATION,
  leadsTo,
  readLeaf,
  type LeafFacts,
} from '../../crypto/certificates/svid.ts';
import type { SpiffeClusterSpec } from '../../domain/identity/cluster.ts';
import { parseSpiffeId, type SpiffeId } from '../../domain/identity/spiffe-id.ts';
import { isIdentity } from '../../domain/identity/workload.ts';
import { WatchedFile } from '../../net/watched-file.ts';
import type { Clock } from '../../ports/clock.ts';
import type {
  AttestedWorkload,
  PresentedChain,
  WorkloadAuthenticator,
} from '../../ports/workload-authenticator.ts';
import type { SpiffeConnection } from '../config.ts';
import { identityUnavailable } from '../identity-unavailable.ts';
import { tokenRefused } from '../token-refused.ts';

/** Logins of one trust domain by X.509-SVID. It uses only that domain's bundle, which is read again when it changes. */
export class SvidAuthenticator implements WorkloadAuthenticator {
  readonly #name: string;
  readonly #trustDomain: string;
  readonly #bundle: WatchedFile;
  readonly #clock: Clock;

  constructor(
    { name }: { readonly name: string; readonly spec: SpiffeClusterSpec },
    connection: SpiffeConnection,
    clock: Clock,
  ) {
    this.#name = name;
    this.#trustDomain = connection.trustDomain;
    this.#bundle = new WatchedFile(connection.bundleFile);
    this.#clock = clock;
  }

  /** A token proves nothing to this cluster. */
  authenticate(): Promise<AttestedWorkload> {
    return Promise.reject(tokenRefused('certificate_missing'));
  }

  async authenticateCertificate(chain: PresentedChain): Promise<AttestedWorkload> {
    const [der] = chain;
    const leaf = der && readLeaf(der);
    if (leaf === undefined) throw tokenRefused('certificate_missing');
    const { path } = this.#check(leaf);
    const bundle = await this.#bundle.text().catch((error: unknown) => {
      throw identityUnavailable('bundle_unreadable', error);
    });
    if (!leadsTo(chain, bundle, this.#clock.now())) throw tokenRefused('key_not_trusted');
    return {
      workload: { cluster: this.#name, identity: path },
      tokenEndsAt: leaf.notAfter,
      tokenIssuedAt: leaf.notBefore,
      audiences: [],
      tokenId: leaf.fingerprint,
      method: 'x509-svid',
    };
  }

  close(): void {
    // There is nothing to close.
  }

  /** The checks of a leaf (SPIFFE X509-SVID §4 and §5.2), without its signature. @throws ERR_TOKEN_INVALID */
  #check(leaf: LeafFacts): SpiffeId {
    const { uris, extendedKeyUsage } = leaf;
    const now = this.#clock.now();
    if (now < leaf.notBefore) throw tokenRefused('not_yet_valid');
    if (now >= leaf.notAfter) throw tokenRefused('expired');
    if (leaf.isAuthority) throw tokenRefused('certificate_of_authority');
    if (!leaf.hasDigitalSignature) throw tokenRefused('certificate_usage');
    if (extendedKeyUsage !== undefined && !extendedKeyUsage.includes(CLIENT_AUTHENTICATION)) {
      throw tokenRefused('certificate_usage');
    }
    const [uri = '', ...others] = uris;
    const id = others.length === 0 ? parseSpiffeId(uri) : undefined;
    if (id === undefined || !isIdentity(id.path)) throw tokenRefused('identity_invalid');
    if (id.trustDomain !== this.#trustDomain) throw tokenRefused('iss_mismatch');
    return id;
  }
}
