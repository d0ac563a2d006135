import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createAuthenticator } from '../../src/auth/index.ts';
import { systemClock } from '../../src/process/clock.ts';
import type { KubernetesClusterSpec } from '../../src/domain/identity/cluster.ts';
import { BrokerError } from '../../src/domain/errors.ts';
import type { AttestedWorkload } from '../../src/ports/workload-authenticator.ts';
import type { KubeCluster, PodRef } from '../kit/cluster/kube-cluster.ts';
import { warningsLog } from '../kit/fakes/warnings-log.ts';

const AUDIENCE = 'https://broker.test';
const MODES = ['jwks', 'token-review', 'both'] as const;

/** The contract of every kind of login, for a real cluster and its fake. */
export function workloadAuthenticatorContract(
  name: string,
  open: () => Promise<KubeCluster>,
): void {
  describe.each(MODES)(`logins at ${name} by %s`, (mode) => {
    let cluster: KubeCluster;
    let namespace = '';
    let accountUid = '';
    let pod: PodRef;
    beforeAll(async () => {
      cluster = await open();
      namespace = await cluster.createNamespace();
      accountUid = await cluster.createAccount(namespace, 'api');
      pod = await cluster.createPod({ namespace, name: 'api-0', serviceAccount: 'api' });
    });
    afterAll(() => cluster.close());

    const tokenFor = (bound?: PodRef, audience = AUDIENCE): Promise<string> =>
      cluster.token({ namespace, serviceAccount: 'api', audience, ...(bound && { pod: bound }) });

    async function login(
      token: string,
      own: Partial<KubernetesClusterSpec> = {},
    ): Promise<AttestedWorkload> {
      const spec: KubernetesClusterSpec = {
        type: 'kubernetes',
        connection: 'cluster',
        issuer: cluster.issuer,
        audiences: [AUDIENCE],
        allowSeveralAudiences: false,
        mode,
        maxTokenLifetimeSeconds: 86_400,
        allowWithoutPod: false,
        podWatch: false,
        podFactsMaxAgeSeconds: 600,
        podLabelsMaxAgeSeconds: 86_400,
        trivyReports: false,
        ...own,
      };
      const connection = { type: 'kubernetes', api: cluster.api } as const;
      const dependencies = { clock: systemClock, log: warningsLog() };
      const authenticator = createAuthenticator({ name: 'east', spec }, connection, dependencies);
      try {
        const signal = AbortSignal.timeout(60_000);
        return await authenticator.authenticate(token, { requestId: 'req_1', signal });
      } finally {
        authenticator.close();
      }
    }

    async function refusal(token: string, own?: Partial<KubernetesClusterSpec>): Promise<string> {
      const error: unknown = await login(token, own).catch((reason: unknown) => reason);
      if (error instanceof BrokerError) return error.reason ?? error.code;
      throw error instanceof Error ? error : new Error('it was accepted');
    }

    it('report the account, pod and node of a bound token', async () => {
      const before = Date.now();
      const attested = await login(await tokenFor(pod));
      expect(attested).toMatchObject({
        method: mode,
        audiences: [AUDIENCE],
        workload: {
          cluster: 'east',
          namespace,
          serviceAccount: 'api',
          serviceAccountUid: accountUid,
          pod: { name: 'api-0', uid: pod.uid },
          node: { name: 'node-1' },
        },
      });
      expect(attested.tokenId).toMatch(/^[0-9a-f-]{36}$/);
      expect(Math.abs(attested.tokenIssuedAt - before)).toBeLessThan(60_000);
      expect(attested.tokenEndsAt - attested.tokenIssuedAt).toBe(600_000);
    });

    it('refuse a token for another audience, the API server’s own included (J11)', async () => {
      expect(await refusal(await tokenFor(pod, 'https://other.test'))).toBe('aud_mismatch');
      expect(await refusal(await tokenFor(pod, cluster.issuer))).toBe('aud_mismatch');
    });

    it('refuse a token without a pod, unless the cluster allows it', async () => {
      const token = await tokenFor();
      expect(await refusal(token)).toBe('pod_required');
      const attested = await login(token, { allowWithoutPod: true });
      expect(attested.workload).toMatchObject({ serviceAccountUid: accountUid });
      expect(attested.workload.pod).toBeUndefined();
    });

    it('refuse a token of another issuer', async () => {
      const own = { issuer: `${cluster.issuer}/` };
      expect(await refusal(await tokenFor(pod), own)).toBe('iss_mismatch');
    });

    it('refuse a token that lives longer than the cluster allows', async () => {
      const own = { maxTokenLifetimeSeconds: 599 };
      expect(await refusal(await tokenFor(pod), own)).toBe('lifetime_exceeded');
    });

    it('refuse a token with another payload or signature', async () => {
      const [header = '', payload = '', signature = ''] = (await tokenFor(pod)).split('.');
      const claims = Buffer.from(payload, 'base64url').toString('utf8');
      const forged = Buffer.from(claims.replace(pod.uid, accountUid)).toString('base64url');
      const unsigned = signature.replace(/^./, (first) => (first === 'A' ? 'B' : 'A'));
      const expected = mode === 'token-review' ? 'review_refused' : 'bad_signature';
      expect(await refusal(`${header}.${forged}.${signature}`)).toBe(expected);
      expect(await refusal(`${header}.${payload}.${unsigned}`)).toBe(expected);
    });

    // Offline, only the pod watch knows about deletions.
    const afterTheEnd = mode === 'jwks' ? 'accepted' : 'review_refused';
    const outcome = (token: string): Promise<string> =>
      mode === 'jwks' ? login(token).then(() => 'accepted') : refusal(token);

    it('refuse the token of a deleted pod if the login asks the API server', async () => {
      const doomed = await cluster.createPod({ namespace, name: 'api-1', serviceAccount: 'api' });
      const token = await tokenFor(doomed);
      await cluster.remove(doomed);
      expect(await outcome(token)).toBe(afterTheEnd);
    });

    it('refuse the token of a deleted and recreated account if the login asks the API server (T03)', async () => {
      await cluster.createAccount(namespace, 'renewed');
      const wish = { namespace, name: 'renewed-0', serviceAccount: 'renewed' };
      const holder = await cluster.createPod(wish);
      const audience = AUDIENCE;
      const request = { namespace, serviceAccount: 'renewed', audience, pod: holder };
      const token = await cluster.token(request);
      await cluster.removeAccount(namespace, 'renewed');
      await cluster.createAccount(namespace, 'renewed');
      expect(await outcome(token)).toBe(afterTheEnd);
      const { workload } = await login(await cluster.token(request));
      expect(workload).toMatchObject({ serviceAccount: 'renewed' });
    });
  });
}
