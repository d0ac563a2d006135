import { cidrHolds, parseCidr, type Cidr } from '../../domain/network/cidr.ts';
import { parseIpAddress } from '../../domain/network/ip-address.ts';
import { lookup } from 'node:dns/promises';
import { isIP, type LookupFunction } from 'node:net';
import { BrokerError } from '../../domain/errors.ts';

/**
 * Addresses to which the broker never connects, whatever is allowed: metadata services (which give credentials to any process
 * inside), addresses that are not a host, and IPv6 forms that embed an IPv4 address of another host. IPv4-mapped addresses are
 * read as IPv4.
 */
const NEVER = [
  '0.0.0.0/8',
  '100.100.100.200/32',
  '168.63.129.16/32',
  '169.254.0.0/16',
  '192.0.0.0/24',
  '224.0.0.0/3',
  '::/96',
  '64:ff9b::/96',
  '64:ff9b:1::/48',
  '2001::/32',
  '2002::/16',
  'fd00:ec2::254/128',
  'fe80::/10',
  'fec0::/10',
  'ff00::/8',
].map(cidr);

const LOOPBACK = ['127.0.0.0/8', '::1/128'].map(cidr);

/** Private networks and unassigned addresses, from the special-purpose registries (RFC 6890). */
const PRIVATE = [
  '10.0.0.0/8',
  '100.64.0.0/10',
  '172.16.0.0/12',
  '192.0.2.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  'fc00::/7',
].map(cidr);
/** All IPv6 space that is assigned; addresses outside count as private. */
const GLOBAL = cidr('2000::/3');
const NOT_GLOBAL = ['2001::/23', '2001:db8::/32', '3fff::/20'].map(cidr);

/**
 * Reports whether the broker may connect to a resolved address. Text that is not an address in its canonical form is
 * refused.
 */
export function isWithinReach(address: string, allowPrivate: boolean): boolean {
  const ip = parseIpAddress(address);
  if (ip === undefined) return false;
  const isIn = (blocks: readonly Cidr[]): boolean => blocks.some((block) => cidrHolds(block, ip));
  if (isIn(LOOPBACK)) return allowPrivate;
  if (isIn(NEVER)) return false;
  const isIpv6 = ip.length > 1;
  const isPublic = isIpv6 ? cidrHolds(GLOBAL, ip) && !isIn(NOT_GLOBAL) : !isIn(PRIVATE);
  return isPublic || allowPrivate;
}

function cidr(text: string): Cidr {
  const parsed = parseCidr(text);
  if (parsed === undefined) throw new RangeError(`${text} is not a network`);
  return parsed;
}

export interface ResolvedAddress {
  readonly address: string;
  readonly family: number;
}

/** All addresses of a host name. */
export type Resolve = (host: string) => Promise<readonly ResolvedAddress[]>;

export const systemResolve: Resolve = (host) => lookup(host, { all: true });

/**
 * Resolves once and checks every address. The connection uses exactly the checked addresses, so no second DNS answer can replace them (DNS
 * rebinding: CVE-2026-5052, CVE-2022-29153). A host that is an address never reaches a socket's own look-up, so it is checked here too.
 * @throws ERR_CONFLICT, reason `address_refused`; ERR_PROVIDER_UNAVAILABLE, reason `no_address`.
 */
export async function createLookup(
  host: string,
  resolve: Resolve,
  allowPrivate: boolean,
): Promise<LookupFunction> {
  const family = isIP(host);
  const addresses = family === 0 ? await resolveAll(host, resolve) : [{ address: host, family }];
  for (const { address } of addresses) refuseAddress(address, allowPrivate);
  return (_host, options, callback) => {
    const [first] = addresses;
    if (first === undefined || options.all === true) callback(null, [...addresses]);
    else callback(null, first.address, first.family);
  };
}

/** @throws ERR_CONFLICT, reason `address_refused`, for an address to which the broker does not connect */
export function refuseAddress(address: string, allowPrivate: boolean): void {
  if (isWithinReach(address, allowPrivate)) return;
  throw new BrokerError(
    'ERR_CONFLICT',
    'the host has an address that the broker does not connect to; for a webhook in a private network see allowPrivateAddresses',
    { reason: 'address_refused' },
  );
}

/** Look-up of a client that keeps its connections: it resolves and checks at each new one. The addresses may be in private networks. */
export const checkedLookup: LookupFunction = (host, options, callback) => {
  createLookup(host, systemResolve, true).then(
    (lookup) => lookup(host, options, callback),
    (error: unknown) => callback(error as Error, ''),
  );
};

async function resolveAll(host: string, resolve: Resolve): Promise<readonly ResolvedAddress[]> {
  const addresses = await resolve(host).catch((cause: unknown) => {
    throw noAddress(cause);
  });
  if (addresses.length === 0) throw noAddress(undefined);
  return addresses;
}

function noAddress(cause: unknown): BrokerError {
  return new BrokerError('ERR_PROVIDER_UNAVAILABLE', undefined, { cause, reason: 'no_address' });
}
