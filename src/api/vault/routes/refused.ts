import { BrokerError } from '../../../domain/errors.ts';
import type { VaultRequest } from '../read-request.ts';
import type { CallerRoute } from '../route.ts';

/** Beginnings of paths that clients call and this face does not have, with the way to do the same at this broker. */
const OTHER_WAYS: readonly (readonly [beginning: RegExp, text: string])[] = [
  [
    /^sys\/(?:init|unseal|rekey|generate-root|rotate)/,
    'keys are created and rotated with quaymaster init and quaymaster keys',
  ],
  [/^sys\/seal$/, 'seal the broker with quaymaster seal'],
  [
    /^sys\/(?:policy|policies)/,
    'policies are documents of this broker; apply them with quaymaster apply',
  ],
  [
    /^sys\/(?:mounts|auth|plugins|remount)/,
    'mounts are documents of this broker and vaultApi.mounts of its configuration; apply them with quaymaster apply',
  ],
  [/^sys\/audit/, 'the audit log is always on; search it with quaymaster audit search'],
  [
    /^sys\/(?:storage|replication|ha-status|step-down)/,
    'back up the broker with quaymaster backup',
  ],
  [
    /^sys\/leases\/revoke-force/,
    'the broker drops no credential that a backend has not revoked: it retries, and quaymaster revocation ls lists the credential',
  ],
  [/^sys\/leases/, 'leases of others are revoked with quaymaster lease revoke'],
  [
    /^sys\/events/,
    'clients of this listener poll; a session follows its events with GET /api/v1/events of Quaymaster',
  ],
  [/^sys\/namespaces/, 'namespaces are not supported; unset VAULT_NAMESPACE'],
  [
    /^auth\/token\/create/,
    'child tokens are not supported; with Terraform, set skip_child_token = true',
  ],
  [
    /^auth\/[^/]+\/oidc\/poll$/,
    'the modes device and direct are not served; log in with callbackmode=client, or with the token of quaymaster login',
  ],
  [
    /^auth\/token\/(?:accessors|tidy|roles|lookup|renew|revoke)/,
    'list and end sessions with quaymaster session ls and quaymaster session end',
  ],
  [/^auth\//, 'workloads log in with the token of their cluster at a mount of vaultApi.auth'],
  [/^transit\//, 'this broker does not encrypt data for its callers'],
];

/** Refuses a path without an operation, after the caller is known and before a body is read. */
export function refusedRoute(read: VaultRequest, isKnown: boolean): CallerRoute {
  const refuse = (): Promise<never> => Promise.reject(refusalOf(read, isKnown));
  return () => ({ admit: refuse, read: () => refuse });
}

/** Refuses to wrap an answer that cannot be wrapped, after the caller is known. */
export const refusedWrapping: CallerRoute = () => {
  const refuse = (): Promise<never> =>
    Promise.reject(
      new BrokerError(
        'ERR_REQUEST_INVALID',
        'only reads of values, sys/wrapping/wrap and logins can be wrapped; send no X-Vault-Wrap-TTL',
        { reason: 'wrap_ttl' },
      ),
    );
  return { admit: refuse, read: () => refuse };
};

function refusalOf({ path, verb }: VaultRequest, isKnown: boolean): BrokerError {
  const below = path.replace(/^\/v1\//, '');
  if (verb === 'LIST' && below.startsWith('sys/namespaces'))
    return new BrokerError('ERR_NOT_FOUND');
  const known = OTHER_WAYS.find(([beginning]) => beginning.test(below));
  if (known !== undefined) return unsupported(`unsupported operation: ${known[1]}`);
  if (isKnown) return unsupported('unsupported operation');
  return new BrokerError(
    'ERR_NOT_FOUND',
    'no handler for this path: no mount of vaultApi.mounts covers it, or the engine of the mount has no such path',
    { isDetailShown: true, reason: 'no_route' },
  );
}

function unsupported(detail: string): BrokerError {
  return new BrokerError('ERR_METHOD', detail, { reason: 'method' });
}
