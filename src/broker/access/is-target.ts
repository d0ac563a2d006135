import type { ShownProof } from './shown-proof.ts';

const TARGET = /^(https?):\/\/([^/?#@\\\s]+)(\/[^?#]*)$/i;
const DEFAULT_PORTS: Readonly<Record<string, RegExp>> = { http: /:80$/, https: /:443$/ };

/**
 * Tells whether `htu` names the target of the request (RFC 9449 §4.3). Scheme and host are case-insensitive, and the scheme's
 * default port is optional (RFC 3986 §6.2.2, §6.2.3). The path must be identical. A target that reaches the broker has no escapes
 * and no dot segments, so nothing needs decoding.
 */
export function isTarget(
  htu: string,
  { schemes, host, path }: Pick<ShownProof, 'schemes' | 'host' | 'path'>,
): boolean {
  const [, scheme = '', authority = '', target] = TARGET.exec(htu) ?? [];
  const spoken = scheme.toLowerCase();
  return (
    target === path &&
    schemes.includes(spoken) &&
    withoutDefaultPort(authority, spoken) === withoutDefaultPort(host, spoken)
  );
}

function withoutDefaultPort(authority: string, scheme: string): string {
  return authority.toLowerCase().replace(DEFAULT_PORTS[scheme] ?? '', '');
}
