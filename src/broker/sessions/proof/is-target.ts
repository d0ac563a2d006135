import type { ShownProof } from './shown-proof.ts';

const TARGET = /^(https?):\/\/([^/?#@\\\s]+)(\/[^?#]*)$/i;
const DEFAULT_PORTS: Readonly<Record<string, RegExp>> = { http: /:80$/, https: /:443$/ };

/**
 * Whether `htu` names what the request was made to (RFC 9449 §4.3): scheme and host in any case, with or without the scheme's own port
 * (RFC 3986 §6.2.2, §6.2.3), and the very path. A target that reaches us has no escapes and no dot segments, so there is nothing to
 * decode.
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
