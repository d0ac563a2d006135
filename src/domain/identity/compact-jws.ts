/** The three parts of a JWS in compact form (RFC 7515 §7.1), decoded. All attacker-controlled: no signature was checked. */
export interface CompactJws {
  readonly header: Buffer;
  readonly payload: Buffer;
  readonly signature: Buffer;
  /** The signed text as it arrived: `<header>.<payload>`. */
  readonly input: string;
}

/** Makes the caller's error from the problem found in the text. */
export type CompactJwsRefusal = (reason: 'malformed' | 'not_canonical') => Error;

/**
 * Parses a token that has exactly one text: decoders that skip padding, line ends and unused bits let a revoked or counted token return as another
 * string (RFC 7515 §2, RFC 4648 §3.5).
 * @throws the error that `refused` makes of `malformed`, `not_canonical`.
 */
export function parseCompactJws(text: string, refused: CompactJwsRefusal): CompactJws {
  const first = text.indexOf('.');
  const second = text.indexOf('.', first + 1);
  if (first < 1 || second < first + 2 || text.includes('.', second + 1)) {
    throw refused('malformed');
  }
  const decoded = (segment: string): Buffer => {
    const bytes = Buffer.from(segment, 'base64url');
    if (bytes.toString('base64url') !== segment) throw refused('not_canonical');
    return bytes;
  };
  return {
    header: decoded(text.slice(0, first)),
    payload: decoded(text.slice(first + 1, second)),
    signature: decoded(text.slice(second + 1)),
    input: text.slice(0, second),
  };
}
