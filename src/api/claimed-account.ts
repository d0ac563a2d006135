import type { Workload } from '../domain/workload.ts';

const LONGEST_SUBJECT = 512;

/** The account that a service-account token says it is of; attacker-controlled, of use only to find the rate it would count against. */
export function claimedAccount(cluster: string, token: string): string | undefined {
  try {
    const payload = Buffer.from(token.split('.', 2)[1] ?? '', 'base64url').toString();
    const { sub } = JSON.parse(payload) as { readonly sub?: unknown };
    return typeof sub === 'string' ? `${cluster}/${sub.slice(0, LONGEST_SUBJECT)}` : undefined;
  } catch {
    return undefined;
  }
}

/** The same of a workload that was verified. */
export function accountOf({ cluster, namespace, serviceAccount }: Workload): string {
  return `${cluster}/system:serviceaccount:${namespace}:${serviceAccount}`;
}
