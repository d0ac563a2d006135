import { lookup } from 'node:dns/promises';
import { isIP, type LookupFunction } from 'node:net';
import { BrokerError } from '../../../domain/errors.ts';
import { isWithinReach } from '../addresses.ts';

export interface ResolvedAddress {
  readonly address: string;
  readonly family: number;
}

/** All addresses of a host name. */
export type Resolve = (host: string) => Promise<readonly ResolvedAddress[]>;

export const systemResolve: Resolve = (host) => lookup(host, { all: true });

/**
 * Resolves once and checks every address: what a connection is then made to is what was checked here, and no second answer of a name server
 * comes in between (DNS rebinding: CVE-2026-5052, CVE-2022-29153). A host that is an address itself never reaches a socket's own look-up, and
 * is checked here too.
 * @throws ERR_CONFLICT, reason `address_refused`; ERR_PROVIDER_UNAVAILABLE, reason `no_address`.
 */
export async function checkedLookup(
  host: string,
  resolve: Resolve,
  allowPrivate: boolean,
): Promise<LookupFunction> {
  const family = isIP(host);
  const addresses = family === 0 ? await resolveAll(host, resolve) : [{ address: host, family }];
  if (!addresses.every(({ address }) => isWithinReach(address, allowPrivate))) {
    throw new BrokerError(
      'ERR_CONFLICT',
      'the webhook has an address that the broker does not connect to; see allowPrivateAddresses',
      { reason: 'address_refused' },
    );
  }
  return (_host, options, callback) => {
    const [first] = addresses;
    if (first === undefined || options.all === true) callback(null, [...addresses]);
    else callback(null, first.address, first.family);
  };
}

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
