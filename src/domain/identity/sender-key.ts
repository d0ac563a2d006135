/** A P-256 public key that a client made for itself (RFC 7518 §6.2.1); its coordinates in base64url, 43 characters each. */
export interface SenderKey {
  readonly x: string;
  readonly y: string;
  /** RFC 7638: SHA-256 of the canonical JWK, in base64url. */
  readonly thumbprint: string;
}
