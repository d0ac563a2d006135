/** What one side of a TLS connection knows: whom it trusts, and who it is. Verification cannot be turned off. */
export interface TlsIdentity {
  /** PEM; absent: the roots that come with Node. */
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  /** Checked in the peer's certificate instead of the host of the address. */
  readonly serverName?: string;
}
