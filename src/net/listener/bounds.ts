/**
 * Limits of every HTTP listener: slow senders are cut off after these times (CVE-2018-12122), checked every second, because Node's default interval
 * is 30 s.
 */
export const HTTP_BOUNDS = {
  headersTimeout: 10_000,
  requestTimeout: 30_000,
  keepAliveTimeout: 60_000,
  connectionsCheckingInterval: 1_000,
  maxHeaderSize: 16_384,
  /** Set here, so that no flag of the process can change it (CVE-2022-32213). */
  insecureHTTPParser: false,
} as const;

/**
 * A connection without traffic for this long during a request is closed: an unread response occupies memory. A request can be silent for up to 25 s,
 * so this limit is longer.
 */
export const STALLED_MS = 45_000;

/** TLS versions of every listener. */
export const TLS_BOUNDS = { minVersion: 'TLSv1.3', maxVersion: 'TLSv1.3' } as const;

/** Milliseconds within which a TLS handshake must finish. */
export const HANDSHAKE_MS = 10_000;

/** OpenSSL's SSL_OP_NO_TICKET. Node has it in a module that also has all of its cryptography. */
export const NO_TICKETS = 0x4000;
