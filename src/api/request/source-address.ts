import { cidrHolds, parseCidr, type Cidr } from '../../domain/network/cidr.ts';
import { parseIpAddress } from '../../domain/network/ip-address.ts';

const MAPPED = '::ffff:';
/**
 * Source of a request whose proxy wrote an invalid address. It is in no network: an allow with a network does not match it, a
 * deny does, and a token with source networks is refused.
 */
export const UNKNOWN_ADDRESS = 'unknown';
/**
 * Forms of an address with a port: `203.0.113.9:443` (Azure Application Gateway, AWS with client ports), `[2001:db8::1]`,
 * `[2001:db8::1]:443`.
 */
const WITH_PORT = /^([0-9.]+):[0-9]{1,5}$/;
const BRACKETED = /^\[([0-9A-Fa-f]*:[0-9A-Fa-f:.]*)\](?::[0-9]{1,5})?$/;

/** The source address of requests: the peer, or behind a trusted proxy the rightmost address that is not a trusted proxy. */
export class SourceAddress {
  #trusted: readonly Cidr[] = [];

  constructor(trustedProxies: readonly string[]) {
    this.trust(trustedProxies);
  }

  /** Replaces the proxies that are trusted from now on. */
  trust(proxies: readonly string[]): void {
    this.#trusted = proxies.map(parseCidr).filter((cidr) => cidr !== undefined);
  }

  /** Reads a peer's address. A dual-stack socket shows IPv4 peers as `::ffff:a.b.c.d`. */
  static ofPeer(remoteAddress: string | undefined): string {
    const address = remoteAddress ?? '';
    return address.startsWith(MAPPED) && address.includes('.')
      ? address.slice(MAPPED.length)
      : address;
  }

  isTrusted(address: string): boolean {
    const parsed = parseIpAddress(address);
    return parsed !== undefined && this.#trusted.some((cidr) => cidrHolds(cidr, parsed));
  }

  /**
   * Reads `X-Forwarded-For` from the right, because the client could have written everything left of the first untrusted address
   * (CVE-2025-6004). An invalid hop makes the source unknown. The proxy's address is not used instead, because network policies may allow
   * it.
   */
  behind(peer: string, forwarded: string): string {
    let source = peer;
    for (const hop of forwarded.split(',').reverse()) {
      const address = addressIn(hop.trim());
      if (parseIpAddress(address) === undefined) return UNKNOWN_ADDRESS;
      source = address;
      if (!this.isTrusted(address)) return source;
    }
    return source;
  }
}

/**
 * A hop without its port and brackets. Any other form is left unchanged and is then invalid: zone ids, `unknown`, `_hidden` (RFC 7239 §6).
 */
function addressIn(hop: string): string {
  return (WITH_PORT.exec(hop) ?? BRACKETED.exec(hop))?.[1] ?? hop;
}
