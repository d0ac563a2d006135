import * as z from 'zod';
import type { EnrollingClusterSpec } from '../../domain/identity/cluster.ts';
import { BrokerError } from '../../domain/errors.ts';
import { Sensitive } from '../../domain/secrets/sensitive.ts';
import { withDeadline } from '../../ports/deadline.ts';
import type { ClusterCredential, Enrolling } from '../../broker/state/enrolled-clusters.ts';
import type { Storage } from '../../broker/state/dependencies.ts';

const ASK_MS = 5_000;
const HOUR_MS = 3_600_000;
/** Outages of the broker up to this time need no new enrolment. An API server may give less. */
const LIFETIME_MS = 12 * HOUR_MS;
const MAX_ANSWER_BYTES = 64 * 1024;
const MAX_TOKEN = 16 * 1024;

const issued = z.object({ status: z.object({ token: z.string().max(MAX_TOKEN) }) });
const seconds = z.int().min(0);
const payload = z.object({ iss: z.string(), sub: z.string(), iat: seconds, exp: seconds });

/**
 * Exchanges a token for a new one of the declared account. The new token is bound to the Secret that has the name of the account, so deleting that Secret
 * revokes it. That the API server issues it proves the account: no other token is ever kept.
 * @throws the errors of a KubernetesApi; ERR_CONFLICT if the cluster issues its tokens under another name
 */
export async function requestToken(
  { clock, openDeclared }: Pick<Storage, 'clock'> & Pick<Enrolling, 'openDeclared'>,
  spec: EnrollingClusterSpec,
  token: Sensitive<string>,
): Promise<ClusterCredential> {
  const [namespace = '', name = ''] = spec.apiServer.serviceAccount.split('/');
  const api = openDeclared(spec, () => token);
  try {
    const answer = await withDeadline(clock, ASK_MS, (signal) =>
      api.call(
        {
          method: 'POST',
          path: ['api', 'v1', 'namespaces', namespace, 'serviceaccounts', name, 'token'],
          body: {
            apiVersion: 'authentication.k8s.io/v1',
            kind: 'TokenRequest',
            spec: {
              expirationSeconds: LIFETIME_MS / 1_000,
              boundObjectRef: { apiVersion: 'v1', kind: 'Secret', name },
            },
          },
          maxBytes: MAX_ANSWER_BYTES,
        },
        signal,
      ),
    );
    return credentialIn(answer, spec, clock.now());
  } finally {
    api.close();
  }
}

function credentialIn(
  answer: unknown,
  { issuer, apiServer: { serviceAccount } }: EnrollingClusterSpec,
  now: number,
): ClusterCredential {
  const parsed = issued.safeParse(answer);
  if (!parsed.success) throw malformed();
  const { token } = parsed.data.status;
  const { iss, sub, iat, exp } = claimsOf(token);
  if (sub !== `system:serviceaccount:${serviceAccount.replace('/', ':')}`) throw malformed();
  if (iss !== issuer) {
    throw new BrokerError(
      'ERR_CONFLICT',
      `the API server issues tokens as ${JSON.stringify(iss.slice(0, 256))}, and the cluster is registered with ${JSON.stringify(issuer)}: correct the cluster`,
      { reason: 'iss_mismatch' },
    );
  }
  // The lifetime, and not the time of its end: the time of the broker may be ahead of that of the API server.
  const lifeMs = Math.min((exp - iat) * 1_000, LIFETIME_MS);
  if (lifeMs <= 0) throw malformed();
  const renewAt = now + Math.min(HOUR_MS, Math.floor(lifeMs / 3));
  return { token: new Sensitive(token), endsAt: now + lifeMs, renewAt };
}

function claimsOf(token: string): z.infer<typeof payload> {
  try {
    const [, body = ''] = token.split('.');
    return payload.parse(JSON.parse(Buffer.from(body, 'base64url').toString()));
  } catch {
    throw malformed();
  }
}

function malformed(): BrokerError {
  return new BrokerError('ERR_PROVIDER_MALFORMED', undefined, { reason: 'token_request' });
}
