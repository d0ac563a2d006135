import { DevIssuer } from '../../src/program/dev/issuer.ts';
import { createToken, openBaoCall } from '../../test/kit/backends/openbao-calls.ts';
import { startOpenBao, type OpenBao } from '../../test/kit/backends/openbao.ts';
import { AUDIENCE, ONE_FIELD, SECRET, SERVICE_ACCOUNT } from '../sample.ts';
import type { Stage } from '../stage.ts';
import type { OfflinePods, RealPods } from './pods.ts';

/** OpenBao with one secret, a policy for its readers, and the login methods. */
export interface Peer {
  readonly bao: OpenBao;
  readonly pid: number;
  /** May only read the secret. */
  readonly readerToken: string;
}

const READER = 'path "secret/data/bench/*" { capabilities = ["read"] }';
/** Lifetime of tokens, the same as for the broker's sessions, so that neither store grows faster than the other. */
/** Roles of the login methods. A login in the second gets a batch token: it is not stored, and so not revocable. */
export const ROLE = 'bench';
export const BATCH_ROLE = 'bench-batch';
const TOKENS = { token_ttl: '1h', token_policies: ['default'] };

export async function startPeer(stage: Stage): Promise<Peer> {
  const bao = await stage.own(startOpenBao());
  await openBaoCall(bao, 'POST', 'secret/data/bench/db', { data: SECRET });
  await openBaoCall(bao, 'POST', 'secret/data/bench/one', { data: ONE_FIELD });
  const readerToken = await createToken(bao, READER, { ttl: '2h' });
  const pid = bao.processes[0]?.pid ?? 0;
  return { bao, pid, readerToken };
}

/** Logins that OpenBao verifies with a configured key. */
export async function enableJwtLogin({ bao }: Peer, pods: OfflinePods): Promise<void> {
  await openBaoCall(bao, 'POST', 'sys/auth/jwt', { type: 'jwt' });
  await openBaoCall(bao, 'POST', 'auth/jwt/config', {
    jwt_validation_pubkeys: [pods.publicKeyPem],
    bound_issuer: DevIssuer.issuer,
  });
  const role = {
    role_type: 'jwt',
    user_claim: 'sub',
    bound_audiences: [DevIssuer.audience],
    ...TOKENS,
  };
  await openBaoCall(bao, 'POST', `auth/jwt/role/${ROLE}`, role);
  await openBaoCall(bao, 'POST', `auth/jwt/role/${BATCH_ROLE}`, { ...role, token_type: 'batch' });
}

/** Logins that OpenBao has the API server review. */
export async function enableKubernetesLogin({ bao }: Peer, pods: RealPods): Promise<void> {
  await openBaoCall(bao, 'POST', 'sys/auth/kubernetes', { type: 'kubernetes' });
  await openBaoCall(bao, 'POST', 'auth/kubernetes/config', {
    kubernetes_host: pods.kube.server,
    kubernetes_ca_cert: pods.kube.caPem,
    token_reviewer_jwt: pods.reviewerToken,
  });
  await openBaoCall(bao, 'POST', `auth/kubernetes/role/${ROLE}`, {
    bound_service_account_names: [SERVICE_ACCOUNT.name],
    bound_service_account_namespaces: [SERVICE_ACCOUNT.namespace],
    audience: AUDIENCE,
    ...TOKENS,
  });
}
