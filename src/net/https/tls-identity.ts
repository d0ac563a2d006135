/** What one side of a TLS connection knows: whom it trusts, and who it is. Verification cannot be turned off. */
export interface TlsIdentity {
  /** PEM; absent: the roots that come with Node. */
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  /** Checked in the peer's certificate instead of the host of the address. */
  readonly serverName?: string;
}

/**
 * A file of certificates that is empty, because it is being written, would mean Node's own roots, and so trust in every public authority.
 * @throws Error
 */
export function requireCertificate(ca: string): string {
  if (ca.includes('-----BEGIN CERTIFICATE-----')) return ca;
  throw new Error('the file of the authority has no certificate');
}
