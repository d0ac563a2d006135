import { createToken } from '../../test/kit/backends/openbao-calls.ts';
import { kvV2Policy } from '../../test/kit/providers/vault-policies.ts';
import type { Moto } from '../../test/kit/backends/moto.ts';
import type { Stage } from '../stage.ts';
import type { Peer } from './open-bao.ts';
import type { RealPods } from './pods.ts';

/** Connections for a configuration file; their credentials are in files of the stage. */
export async function vaultConnection(stage: Stage, { bao }: Peer): Promise<object> {
  const token = await createToken(bao, kvV2Policy('secret', 'bench'), { ttl: '2h' });
  return {
    type: 'vault',
    address: bao.address,
    auth: { method: 'token', tokenFile: await stage.write('vault.token', token) },
    locators: ['secret/data/bench/**'],
  };
}

export async function kubeConnection(stage: Stage, pods: RealPods): Promise<object> {
  return {
    type: 'kubernetes',
    server: pods.kube.server,
    caFile: await stage.write('kube-ca.pem', pods.kube.caPem),
    tokenFile: await stage.write('kube.token', pods.reviewerToken),
    locators: ['**'],
  };
}

export function awsConnection({ region, endpoint }: Moto): object {
  return { type: 'aws-secrets-manager', region, endpoint, locators: ['bench/**'] };
}
