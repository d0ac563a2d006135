/** Trusted authorities and own identity of one side of a TLS connection. Verification cannot be turned off. */
export interface TlsIdentity {
  /** PEM; absent: the roots that come with Node. */
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  /** The name that the peer's certificate must contain instead of the host of the address. */
  readonly serverName?: string;
}

/**
 * Refuses an empty file of certificates: an empty file, such as one that is being written, would mean Node's own roots, and so trust in every public
 * authority.
 * @throws Error
 */
export function requireCertificate(ca: string): string {
  if (ca.includes('-----BEGIN CERTIFICATE-----')) return ca;
  throw new Error('the file of the authority has no certificate');
}
