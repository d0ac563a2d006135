import { cidrHolds, parseCidr } from './cidr.ts';
import { parseIpAddress } from './ip-address.ts';

const NAME = /^(?:\*\.)?[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*$/;
const ANY_BELOW = '*.';

/** Reports whether a text names hosts: `api.example.com`, `*.example.com` or `10.20.0.0/16`. */
export function isHostPattern(text: string): boolean {
  return parseCidr(text) !== undefined || (NAME.test(text) && parseIpAddress(text) === undefined);
}

/** The host of a plain https address, as `URL` spells it; undefined if the address has more than host, port and path, or another spelling. */
export function declaredHost(address: string): string | undefined {
  const url = URL.parse(address);
  if (url === null || url.protocol !== 'https:' || url.hostname === '') return undefined;
  const isPlain = `${url.username}${url.password}${url.search}${url.hash}` === '';
  const isSame = url.href === address || url.href === `${address}/`;
  return isPlain && isSame ? url.hostname.replace(/^\[|\]$/g, '') : undefined;
}

/** Reports whether one of the patterns names the host. A network names addresses only, never a name that leads to one of them. */
export function isAllowedHost(patterns: readonly string[], host: string): boolean {
  const address = parseIpAddress(host);
  return patterns.some((pattern) => {
    const network = parseCidr(pattern);
    if (network !== undefined) return address !== undefined && cidrHolds(network, address);
    if (!pattern.startsWith(ANY_BELOW)) return pattern === host;
    return address === undefined && host.endsWith(pattern.slice(1));
  });
}
