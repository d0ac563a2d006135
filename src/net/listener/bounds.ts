/** Of every HTTP listener: slow senders are cut after these (CVE-2018-12122); checked every second, Node's own default is every thirty. */
export const HTTP_BOUNDS = {
  headersTimeout: 10_000,
  requestTimeout: 30_000,
  keepAliveTimeout: 60_000,
  connectionsCheckingInterval: 1_000,
  maxHeaderSize: 16_384,
  /** Set, so that no flag of the process can say otherwise (CVE-2022-32213). */
  insecureHTTPParser: false,
} as const;

/**
 * A connection without traffic for this long during a request is closed: an unread response occupies memory. A request is silent for
 * at most 25 s, so this limit is longer.
 */
export const STALLED_MS = 45_000;

/** Of every listener with TLS. */
export const TLS_BOUNDS = { minVersion: 'TLSv1.3', maxVersion: 'TLSv1.3' } as const;

/** What a TLS handshake may take. */
export const HANDSHAKE_MS = 10_000;

/** OpenSSL's SSL_OP_NO_TICKET. Node has it in a module that also has all of its cryptography. */
export const NO_TICKETS = 0x4000;
