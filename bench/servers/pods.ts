import { createPublicKey, type JsonWebKey } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DevIssuer } from '../../src/program/dev/issuer.ts';
import { grant } from '../../test/kit/backends/kube-apply.ts';
import {
  createNamespace,
  createPod,
  createServiceAccount,
} from '../../test/kit/backends/kube-objects.ts';
import { boundToken } from '../../test/kit/backends/kube-tokens.ts';
import { startKube, type Kube } from '../../test/kit/backends/kube.ts';
import { LOAD_CORE, on } from '../machine.ts';
import { AUDIENCE, SERVICE_ACCOUNT } from '../sample.ts';
import type { Stage } from '../stage.ts';

/** An issuer that stands in for a cluster, and tokens of its pods. */
export interface OfflinePods {
  readonly keySetFile: string;
  /** The key of `tokens`. */
  readonly publicKeyPem: string;
  /** Signed with RS256, as clusters of kubeadm, EKS and GKE sign. */
  readonly tokens: readonly string[];
  /** The same, signed with ES256. */
  readonly es256Tokens: readonly string[];
}

/** Signs two tokens for each of `count` pods. */
export async function offlinePods(directory: string, count: number): Promise<OfflinePods> {
  const [rs256, es256] = [
    await signedTokens(join(directory, 'rs256'), 'RS256', count),
    await signedTokens(join(directory, 'es256'), 'ES256', count),
  ];
  const keySetFile = join(directory, 'issuers.jwks.json');
  await writeFile(keySetFile, JSON.stringify({ keys: [rs256.key, es256.key] }));
  const publicKey = createPublicKey({ key: rs256.key, format: 'jwk' });
  const publicKeyPem = publicKey.export({ type: 'spki', format: 'pem' }).toString();
  return { keySetFile, publicKeyPem, tokens: rs256.tokens, es256Tokens: es256.tokens };
}

async function signedTokens(
  directory: string,
  algorithm: 'RS256' | 'ES256',
  count: number,
): Promise<{ readonly key: JsonWebKey; readonly tokens: readonly string[] }> {
  await mkdir(directory, { recursive: true });
  const issuer = await DevIssuer.open(directory, algorithm);
  const { namespace, name: serviceAccount } = SERVICE_ACCOUNT;
  const tokens: string[] = [];
  for (let index = 0; index < count; index += 1) {
    const pod = { namespace, serviceAccount, name: `web-${index}` };
    tokens.push(await issuer.token(pod, Date.now()));
  }
  const { keys } = JSON.parse(await readFile(issuer.keySetFile, 'utf8')) as {
    readonly keys: readonly [JsonWebKey];
  };
  return { key: keys[0], tokens };
}

/** Real API server on the core of the load, with pods and their bound tokens. */
export interface RealPods {
  readonly kube: Kube;
  readonly tokens: readonly string[];
  /** A token of an account that may review tokens and watch pods. */
  readonly reviewerToken: string;
}

export async function realPods(stage: Stage, count: number): Promise<RealPods> {
  const kube = await on(LOAD_CORE, () => stage.own(startKube()));
  const { namespace, name: serviceAccount } = SERVICE_ACCOUNT;
  await createNamespace(kube, namespace);
  for (const account of [serviceAccount, 'reviewer'])
    await createServiceAccount(kube, namespace, account);
  await grant(kube, { namespace, name: 'reviewer' }, [
    { apiGroups: [''], resources: ['pods', 'secrets'], verbs: ['get', 'list', 'watch'] },
    { apiGroups: ['authentication.k8s.io'], resources: ['tokenreviews'], verbs: ['create'] },
  ]);
  const reviewer = { namespace, serviceAccount: 'reviewer', audience: kube.issuer };
  const reviewerToken = await boundToken(kube, { ...reviewer, expirationSeconds: 7200 });
  const tokens: string[] = [];
  for (let index = 0; index < count; index += 1) {
    const pod = await createPod(kube, { namespace, serviceAccount });
    const wanted = { namespace, serviceAccount, audience: AUDIENCE, pod };
    tokens.push(await boundToken(kube, { ...wanted, expirationSeconds: 7200 }));
  }
  return { kube, tokens, reviewerToken };
}
