import { parsePolicy } from '../../../src/domain/policy/index.ts';
import type { KubernetesWorkload } from '../../../src/domain/identity/workload.ts';
import type { AccessRequest, StoredPolicy } from '../../../src/domain/policy/index.ts';

export interface PolicySketch {
  readonly name?: string;
  readonly version?: number;
  readonly subjects?: readonly unknown[];
  readonly rules: readonly unknown[];
}

export const ALL_WORKLOADS = { clusters: ['prod'], namespaces: ['*'], serviceAccounts: ['*'] };
export const EVERYTHING = ['read', 'list', 'write', 'rotate'];

/** A policy from the parser, in the broker's form. */
export function storedPolicy({
  name = 'policy',
  version = 1,
  subjects = [ALL_WORKLOADS],
  rules,
}: PolicySketch): StoredPolicy {
  const policy = parsePolicy({
    apiVersion: 'quaymaster.dev/v1',
    kind: 'AccessPolicy',
    metadata: { name },
    spec: { subjects, rules },
  });
  return { name, version, policy };
}

export const allow = (paths: readonly string[], more: object = {}): object => ({
  effect: 'allow',
  paths,
  capabilities: ['read'],
  ...more,
});

export const deny = (paths: readonly string[], more: object = {}): object => ({
  effect: 'deny',
  paths,
  capabilities: ['read'],
  ...more,
});

export const REQUEST: AccessRequest & { readonly workload: KubernetesWorkload } = {
  workload: {
    cluster: 'prod',
    namespace: 'pay-eu',
    serviceAccount: 'api',
    serviceAccountUid: 'sa-uid',
    pod: { name: 'api-0', uid: 'pod-uid' },
    node: { name: 'node-1' },
  },
  podLabels: new Map([['app', 'api']]),
  capability: 'read',
  path: 'payments/db',
  sourceAddress: '10.1.2.3',
  now: Date.UTC(2026, 0, 5, 10),
};
