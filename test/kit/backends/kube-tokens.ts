import { z } from 'zod';
import { kubeCall, type KubeAccess, type KubeObject } from './kube-calls.ts';

/** A token request; the API server grants no lifetime under 600 s. */
export interface TokenRequest {
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly audience: string;
  /** The pod (or with `boundKind`, the Secret) to which the token is bound; without one it is bound only to the account. */
  readonly pod?: KubeObject;
  readonly boundKind?: 'Pod' | 'Secret';
  readonly expirationSeconds?: number;
}

const issued = z.object({ status: z.object({ token: z.string() }) });

/** Requests a service-account token from the API server, as a kubelet does for a projected volume. */
export async function boundToken(kube: KubeAccess, request: TokenRequest): Promise<string> {
  const { namespace, serviceAccount, audience, pod, boundKind = 'Pod' } = request;
  const reference = pod && {
    apiVersion: 'v1',
    kind: boundKind,
    name: pod.metadata.name,
    uid: pod.metadata.uid,
  };
  const path = `/api/v1/namespaces/${namespace}/serviceaccounts/${serviceAccount}/token`;
  const answer = await kubeCall(kube, 'POST', path, {
    apiVersion: 'authentication.k8s.io/v1',
    kind: 'TokenRequest',
    spec: {
      audiences: [audience],
      expirationSeconds: request.expirationSeconds ?? 600,
      boundObjectRef: reference,
    },
  });
  return issued.parse(answer).status.token;
}

const reviewed = z.object({
  status: z.looseObject({
    authenticated: z.boolean().optional(),
    audiences: z.array(z.string()).optional(),
    error: z.string().optional(),
    user: z
      .object({
        username: z.string().optional(),
        uid: z.string().optional(),
        extra: z.record(z.string(), z.array(z.string())).optional(),
      })
      .optional(),
  }),
});

/** The status of a TokenReview. */
export type Review = z.infer<typeof reviewed>['status'];

/** The API server's review of a token. */
export async function reviewToken(
  kube: KubeAccess,
  token: string,
  audiences: readonly string[],
): Promise<Review> {
  const path = '/apis/authentication.k8s.io/v1/tokenreviews';
  const answer = await kubeCall(kube, 'POST', path, { spec: { token, audiences } });
  return reviewed.parse(answer).status;
}
