import { BrokerClient, type components } from '../../src/client/index.ts';
import { DevIssuer } from '../../src/program/dev/issuer.ts';
import { AUDIENCE, ONE_FIELD, SECRET, SERVICE_ACCOUNT } from '../sample.ts';
import type { OfflinePods, RealPods } from './pods.ts';

/** Items of a batch. */
const BATCH = 10;
/** Paths of the embedded store, from `own/bench/db0` on. */
export const OWN_PATHS = Array.from({ length: BATCH }, (_, index) => `own/bench/db${index}`);
export const ONE_FIELD_PATH = 'own/bench/one';
export const VAULT_PATH = 'vault/db';
const CLUSTER = 'offline';
/** Precondition of a creation. Each broker is new: an existing document is an error of the benchmark. */
export const CREATE = { 'If-None-Match': '*' } as const;

/** Creates the documents for the embedded store and the offline issuer: a cluster, a mount, ten secrets and a policy for their readers. */
export async function seed(operator: BrokerClient): Promise<void> {
  await operator.call('putCluster', {
    path: { name: CLUSTER },
    headers: CREATE,
    body: {
      connection: 'issuer',
      issuer: DevIssuer.issuer,
      audiences: [DevIssuer.audience],
      podWatch: false,
    },
  });
  await putMount(operator, 'own', { prefix: 'own', connection: 'embedded' });
  for (const path of OWN_PATHS) {
    await operator.call('writeSecret', { path: { path }, headers: CREATE, body: { data: SECRET } });
  }
  const one = { path: { path: ONE_FIELD_PATH }, headers: CREATE, body: { data: ONE_FIELD } };
  await operator.call('writeSecret', one);
  await operator.call('putPolicy', { path: { name: 'web' }, headers: CREATE, body: POLICY });
}

const POLICY = {
  apiVersion: 'quaymaster.dev/v1',
  kind: 'AccessPolicy',
  metadata: { name: 'web' },
  spec: {
    subjects: [
      {
        clusters: [CLUSTER, 'reviewed'],
        namespaces: [SERVICE_ACCOUNT.namespace],
        serviceAccounts: [SERVICE_ACCOUNT.name],
      },
    ],
    rules: [
      {
        name: 'read',
        effect: 'allow',
        paths: ['own/${namespace}/**', 'vault/**', 'aws/**', 'kube/**'],
        capabilities: ['read'],
      },
    ],
  },
} as const;

/** A policy of an account that no caller uses. */
export function policyFor(name: string): components['schemas']['AccessPolicy'] {
  const subject = { clusters: [CLUSTER], namespaces: ['bench'], serviceAccounts: [name] };
  return {
    apiVersion: 'quaymaster.dev/v1',
    kind: 'AccessPolicy',
    metadata: { name },
    spec: {
      subjects: [subject],
      rules: [
        { name: 'own', effect: 'allow', paths: [`own/${name}/**`], capabilities: ['read', 'list'] },
        { name: 'no', effect: 'deny', paths: [`own/${name}/root`], capabilities: ['read'] },
      ],
    },
  };
}

export async function putMount(
  operator: BrokerClient,
  name: string,
  body: components['schemas']['Mount'],
): Promise<void> {
  await operator.call('putMount', { path: { name }, headers: CREATE, body });
}

/** Mounts secrets of an OpenBao, cached encrypted in memory for an hour. */
export async function mountVault(operator: BrokerClient): Promise<void> {
  await putMount(operator, 'vault', {
    prefix: 'vault',
    connection: 'vault',
    options: { engine: 'kv-v2', path: 'secret', root: 'bench' },
    cacheTtl: '1h',
  });
}

/** Registers a cluster whose API server reviews each token, and whose pods are watched. */
export async function registerReviewed(operator: BrokerClient, pods: RealPods): Promise<void> {
  await operator.call('putCluster', {
    path: { name: 'reviewed' },
    headers: CREATE,
    body: {
      connection: 'kube',
      issuer: pods.kube.issuer,
      audiences: [AUDIENCE],
      mode: 'token-review',
    },
  });
}

/** Opens a session for a pod of the offline issuer. */
export async function logIn(url: string, pods: OfflinePods): Promise<string> {
  const client = new BrokerClient({ url });
  const login = { cluster: CLUSTER, token: pods.tokens[0] ?? '' };
  const { body } = await client.call('createSession', { body: login });
  client.close();
  return body.token;
}

export function loginBody(cluster: typeof CLUSTER | 'reviewed', token: string): string {
  return JSON.stringify({ cluster, token });
}

/** The body of a batch of all ten secrets. */
export const BATCH_BODY = JSON.stringify({ items: OWN_PATHS.map((path) => ({ path })) });
