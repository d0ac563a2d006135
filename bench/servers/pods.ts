import { createPrivateKey, createPublicKey } from 'node:crypto';
import { readFile } from 'node:fs/promises';
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
  readonly publicKeyPem: string;
  readonly tokens: readonly string[];
}

/** Signs a token for each of `count` pods. */
export async function offlinePods(directory: string, count: number): Promise<OfflinePods> {
  const issuer = await DevIssuer.open(directory);
  const { namespace, name: serviceAccount } = SERVICE_ACCOUNT;
  const tokens: string[] = [];
  for (let index = 0; index < count; index += 1) {
    const pod = { namespace, serviceAccount, name: `web-${index}` };
    tokens.push(await issuer.token(pod, Date.now()));
  }
  const key = createPrivateKey(await readFile(join(directory, 'issuer.pem')));
  const publicKeyPem = createPublicKey(key).export({ type: 'spki', format: 'pem' }).toString();
  return { keySetFile: issuer.keySetFile, publicKeyPem, tokens };
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
