import { cidrHolds, parseCidr, type Cidr } from '../domain/cidr.ts';
import { parseIpAddress } from '../domain/ip-address.ts';

const MAPPED = '::ffff:';

/** Where requests come from: the peer, or behind a trusted proxy the rightmost address that is not one of them. */
export class SourceAddress {
  readonly #trusted: readonly Cidr[];

  constructor(trustedProxies: readonly string[]) {
    this.#trusted = trustedProxies.map(parseCidr).filter((cidr) => cidr !== undefined);
  }

  /** A dual-stack socket shows IPv4 peers as `::ffff:a.b.c.d`. */
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

  /** `forwarded` is read from the right: what is left of the first untrusted address anybody could have written (CVE-2025-6004). */
  behind(peer: string, forwarded: string): string {
    let source = peer;
    for (const part of forwarded.split(',').reverse()) {
      const address = part.trim();
      if (parseIpAddress(address) === undefined) return source;
      source = address;
      if (!this.isTrusted(address)) return source;
    }
    return source;
  }
}
