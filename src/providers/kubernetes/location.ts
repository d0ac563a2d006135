import { BrokerError } from '../../domain/errors.ts';

/** Location of a Secret, of one key of it, or of the token of a service account. */
export type KubernetesLocation =
  | {
      readonly kind: 'secret';
      readonly namespace: string;
      readonly name: string;
      readonly key?: string | undefined;
    }
  | { readonly kind: 'token'; readonly namespace: string; readonly serviceAccount: string };

const ACCOUNTS = 'serviceaccounts';
const TOKEN = 'token';

/**
 * Formats `<namespace>/<name>`, `<namespace>/<name>/<key>` or `<namespace>/serviceaccounts/<account>/token`; the number of
 * segments distinguishes them.
 */
export function formatLocation(location: KubernetesLocation): string {
  const { namespace } = location;
  if (location.kind === 'token')
    return [namespace, ACCOUNTS, location.serviceAccount, TOKEN].join('/');
  const { name, key } = location;
  return [namespace, name, ...(key === undefined ? [] : [key])].join('/');
}

/** @throws ERR_INTERNAL for a text that `formatLocation` did not write. */
export function parseLocation(locator: string): KubernetesLocation {
  const [namespace, name, key, end, ...more] = locator.split('/');
  if (namespace === undefined || name === undefined || more.length > 0) {
    throw new BrokerError('ERR_INTERNAL');
  }
  if (end === undefined) return { kind: 'secret', namespace, name, key };
  if (name !== ACCOUNTS || end !== TOKEN || key === undefined)
    throw new BrokerError('ERR_INTERNAL');
  return { kind: 'token', namespace, serviceAccount: key };
}
