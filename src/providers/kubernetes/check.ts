import * as z from 'zod';
import { BrokerError, type ErrorCode } from '../../domain/errors.ts';
import type { CallContext } from '../../ports/call-context.ts';
import type { CheckReport } from '../../ports/secret-provider.ts';
import type { GuardedApi } from './client/client.ts';

const reviewAnswer = z.object({ status: z.object({ allowed: z.boolean() }) });

const ADVICE: Partial<Record<ErrorCode, string>> = {
  ERR_PROVIDER_DENIED:
    'the credential is not accepted: check tokenFile, its service account and its expiry',
  ERR_PROVIDER_TIMEOUT: 'no answer in time: check address, routes and network policies',
  ERR_PROVIDER_UNAVAILABLE: 'cannot be reached, or its certificate is not from caFile: check both',
  ERR_PROVIDER_MALFORMED: 'what answered is not a Kubernetes API server: check the address',
};

/** Asks the server for the rights of this credential on Secrets of the namespace, without reading any. */
export async function checkNamespace(
  api: GuardedApi,
  namespace: string,
  context: CallContext,
): Promise<CheckReport> {
  const findings: string[] = [];
  let healthy = true;
  try {
    for (const verb of ['get', 'list'] as const) {
      const allowed = await mayDo(api, verb, namespace, context);
      if (allowed) findings.push(`${api.server}: may ${verb} secrets in ${namespace}`);
      if (allowed) continue;
      if (verb === 'get') healthy = false;
      findings.push(
        `${api.server}: may not ${verb} secrets in ${namespace}: add the verb to the broker's Role there`,
      );
    }
  } catch (error) {
    return { healthy: false, findings: [explain(api.server, error)] };
  }
  return { healthy, findings };
}

/** Checks the server as `checkNamespace` does. Any answer shows that server, certificate and credential are right. */
export async function checkServer(api: GuardedApi, context: CallContext): Promise<CheckReport> {
  try {
    await mayDo(api, 'get', 'default', context);
    return { healthy: true, findings: [`${api.server}: answered, and knows the credential`] };
  } catch (error) {
    return { healthy: false, findings: [explain(api.server, error)] };
  }
}

async function mayDo(
  api: GuardedApi,
  verb: string,
  namespace: string,
  context: CallContext,
): Promise<boolean> {
  const answer = await api.call(
    {
      method: 'POST',
      path: ['apis', 'authorization.k8s.io', 'v1', 'selfsubjectaccessreviews'],
      body: {
        apiVersion: 'authorization.k8s.io/v1',
        kind: 'SelfSubjectAccessReview',
        spec: { resourceAttributes: { verb, namespace, version: 'v1', resource: 'secrets' } },
      },
    },
    context,
  );
  const parsed = reviewAnswer.safeParse(answer);
  if (parsed.success) return parsed.data.status.allowed;
  throw new BrokerError('ERR_PROVIDER_MALFORMED', undefined, { reason: 'not_a_review' });
}

function explain(server: string, error: unknown): string {
  const code = error instanceof BrokerError ? error.code : 'ERR_PROVIDER_FAILED';
  return `${server}: ${ADVICE[code] ?? 'failed: look at the API server'}`;
}
