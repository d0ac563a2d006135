import { parseIpAddress } from './ip-address.ts';
import type { IpAddress } from './ip-address.ts';

/** A block of addresses of one family. */
export interface Cidr {
  readonly network: IpAddress;
  readonly prefixLength: number;
}

const PREFIX_LENGTH = /^(?:0|[1-9][0-9]{0,2})$/;
const MAPPED_BITS = 96;

/** Parses `10.0.0.0/8` or `2001:db8::/32`; undefined if the text is not a CIDR block, or has bits set beyond its prefix. */
export function parseCidr(text: string): Cidr | undefined {
  const [address, length, ...rest] = text.split('/');
  if (address === undefined || length === undefined || rest.length > 0) return undefined;
  const network = parseIpAddress(address);
  if (network === undefined || !PREFIX_LENGTH.test(length)) return undefined;
  const isMapped = network.length === 1 && address.includes(':');
  const prefixLength = Number(length) - (isMapped ? MAPPED_BITS : 0);
  if (prefixLength < 0 || prefixLength > network.length * 32) return undefined;
  const isNetwork = network.every((word, index) => (word & ~maskOf(prefixLength, index)) === 0);
  return isNetwork ? { network, prefixLength } : undefined;
}

/** Families never match each other: `::/0` does not contain an IPv4 peer, mapped or not. */
export function cidrHolds(cidr: Cidr, address: IpAddress): boolean {
  return (
    cidr.network.length === address.length &&
    cidr.network.every(
      (word, index) => ((word ^ Number(address[index])) & maskOf(cidr.prefixLength, index)) === 0,
    )
  );
}

/** Reports whether every address of `inner` lies in one of `outer`, including when several smaller blocks make up a larger one. */
export function isCovered(inner: Cidr, outer: readonly Cidr[]): boolean {
  if (outer.some((block) => contains(block, inner))) return true;
  const within = outer.filter((block) => contains(inner, block));
  // A smaller block must remain to cover each half; a single address has no halves.
  return within.length > 1 && halvesOf(inner).every((half) => isCovered(half, within));
}

function contains(block: Cidr, { network, prefixLength }: Cidr): boolean {
  return block.prefixLength <= prefixLength && cidrHolds(block, network);
}

function halvesOf({ network, prefixLength }: Cidr): readonly Cidr[] {
  const half = prefixLength + 1;
  const at = prefixLength >> 5;
  const bit = 1 << (31 - (prefixLength & 31));
  const upper = network.map((word, index) => (index === at ? (word | bit) >>> 0 : word));
  return [network, upper].map((words) => ({ network: words, prefixLength: half }));
}

/** The mask of one 32-bit word. A shift by 32 is a shift by 0 in ECMAScript, hence the first case. */
function maskOf(prefixLength: number, wordIndex: number): number {
  const bits = Math.min(Math.max(prefixLength - wordIndex * 32, 0), 32);
  return bits === 0 ? 0 : -1 << (32 - bits);
}
