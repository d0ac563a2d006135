/** A SPIFFE ID of a workload: its trust domain, and the segments of its path. */
export interface SpiffeId {
  readonly trustDomain: string;
  readonly path: readonly string[];
}

const MOST_BYTES = 2_048;
const MOST_DOMAIN_BYTES = 255;
const TRUST_DOMAIN = /^[a-z0-9._-]+$/;
const SEGMENT = /^[A-Za-z0-9._-]+$/;

/** Reports whether the text is the name of a trust domain (SPIFFE-ID §2.1). */
export function isTrustDomain(text: string): boolean {
  return text.length <= MOST_DOMAIN_BYTES && TRUST_DOMAIN.test(text);
}

/**
 * Parses the ID of a workload in its only valid form (SPIFFE-ID §2). Percent-encoding, empty and dot segments, a trailing slash, user, port, query
 * and fragment are refused, and so is an ID without a path, which names a trust domain and no workload.
 */
export function parseSpiffeId(text: string): SpiffeId | undefined {
  if (text.length > MOST_BYTES || !text.startsWith('spiffe://')) return undefined;
  const [trustDomain = '', ...path] = text.slice('spiffe://'.length).split('/');
  if (!isTrustDomain(trustDomain) || path.length === 0) return undefined;
  return path.every(isSegment) ? { trustDomain, path } : undefined;
}

function isSegment(text: string): boolean {
  return SEGMENT.test(text) && text !== '.' && text !== '..';
}
