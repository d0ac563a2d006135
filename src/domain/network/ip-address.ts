/** An address as 32-bit words, most significant first: one word for IPv4, four for IPv6. IPv4-mapped IPv6 is IPv4. */
export type IpAddress = readonly number[];

const OCTET = /^(?:0|[1-9][0-9]{0,2})$/;
const HEX_GROUP = /^[0-9a-fA-F]{1,4}$/;
const LONGEST_ADDRESS = 45;

/** Strict text forms only (RFC 4291 §2.2; no leading zeros, no zone, no brackets): a text that two parsers read differently is refused. */
export function parseIpAddress(text: string): IpAddress | undefined {
  if (text.length > LONGEST_ADDRESS) return undefined;
  if (!text.includes(':')) return parseIpv4(text);
  const words = parseIpv6(text);
  return words !== undefined && isMapped(words) ? words.slice(3) : words;
}

/** `::ffff:0:0/96` (RFC 4291 §2.5.5.2): the form in which a dual-stack socket shows an IPv4 peer. */
function isMapped(words: readonly number[]): boolean {
  return words[0] === 0 && words[1] === 0 && words[2] === 0xffff;
}

function parseIpv4(text: string): readonly number[] | undefined {
  const octets = text.split('.');
  if (octets.length !== 4 || !octets.every((octet) => OCTET.test(octet))) return undefined;
  const values = octets.map(Number);
  if (values.some((value) => value > 255)) return undefined;
  return [values.reduce((word, value) => word * 256 + value, 0)];
}

function parseIpv6(text: string): readonly number[] | undefined {
  const gap = text.indexOf('::');
  const before = groupsOf(gap === -1 ? text : text.slice(0, gap), gap === -1);
  const after = groupsOf(gap === -1 ? '' : text.slice(gap + 2), true);
  if (before === undefined || after === undefined) return undefined;
  const missing = 8 - before.length - after.length;
  if (gap === -1 ? missing !== 0 : missing < 1) return undefined;
  const groups = [...before, ...new Array<number>(missing).fill(0), ...after];
  return [0, 2, 4, 6].map((at) =>
    groups.slice(at, at + 2).reduce((word, g) => word * 65536 + g, 0),
  );
}

/** Sixteen-bit groups; the last may be a dotted IPv4 address if the text ends the whole address. */
function groupsOf(text: string, endsAddress: boolean): readonly number[] | undefined {
  const texts = text === '' ? [] : text.split(':');
  const groups: number[] = [];
  for (const [index, group] of texts.entries()) {
    const embedded = endsAddress && index === texts.length - 1 ? parseIpv4(group)?.[0] : undefined;
    if (embedded !== undefined) groups.push(Math.floor(embedded / 65536), embedded % 65536);
    else if (HEX_GROUP.test(group)) groups.push(Number.parseInt(group, 16));
    else return undefined;
  }
  return groups;
}

/**
 * The network that rates, caps and counts are kept by: an IPv4 address is its own, an IPv6 address belongs to its /64, because one host
 * usually holds all 2^64 addresses of it (RFC 6177). Any other text is returned unchanged.
 */
export function networkOf(address: string): string {
  // Every IPv4 request passes here before it is counted, so an IPv4 address is not parsed.
  if (!address.includes(':')) return address;
  const words = parseIpAddress(address);
  if (words === undefined) return address;
  const [first = 0, second = 0] = words;
  if (words.length === 1) return ipv4Text(first);
  const groups = [first >>> 16, first & 0xffff, second >>> 16, second & 0xffff];
  return `${groups.map((group) => group.toString(16)).join(':')}::/64`;
}

function ipv4Text(word: number): string {
  return [word >>> 24, (word >>> 16) & 255, (word >>> 8) & 255, word & 255].join('.');
}
