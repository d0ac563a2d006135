import * as z from 'zod';
import { BrokerError } from '../../domain/errors.ts';
import type { KubernetesClusterSpec } from '../../domain/identity/cluster.ts';
import { statedNow, type Clock } from '../../ports/clock.ts';
import { withDeadline } from '../../ports/deadline.ts';
import type { KubernetesApi, KubernetesRequest } from '../../ports/kubernetes-api.ts';
import { TokenReviewer } from '../token-review/token-reviewer.ts';
import { adviceFor, codeOf, fine, NOT_KUBERNETES, problem, type Finding } from './finding.ts';

/** Time for one question to the API server or the key server. */
export const ASK_MS = 5_000;
const MAX_ANSWER_BYTES = 64 * 1024;
/** Tolerance of logins for the times in a token. */
const MOST_SECONDS_APART = 30;
/** A review of it must fail, and only a working API server with the right for reviews says so. */
const NO_TOKEN = 'quaymaster-check';

const selfReview = z.object({
  metadata: z.object({ creationTimestamp: z.string().nullish() }).optional(),
  status: z.object({ userInfo: z.object({ username: z.string().max(512) }) }),
});

/** The account of the broker's own credential, and the time of the server. */
export async function accountFindings(
  api: KubernetesApi,
  clock: Clock,
): Promise<readonly Finding[]> {
  const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' };
  const path = ['apis', 'authentication.k8s.io', 'v1', 'selfsubjectreviews'];
  try {
    const before = statedNow(clock);
    const answer = selfReview.safeParse(await ask(api, clock, { method: 'POST', path, body }));
    if (!answer.success) return [problem(`${api.server}: ${NOT_KUBERNETES}`)];
    const { metadata, status } = answer.data;
    return [
      fine(`${api.server}: answers, and knows the broker as ${status.userInfo.username}`),
      ...timeFinding(metadata?.creationTimestamp, [before, statedNow(clock)]),
    ];
  } catch (error) {
    if (codeOf(error) !== 'ERR_NOT_FOUND') return [problem(`${api.server}: ${adviceFor(error)}`)];
    return [
      fine(
        `${api.server}: answers; Kubernetes before 1.28 does not name the account of the broker`,
      ),
    ];
  }
}

/** Compares the second in which the server answered with the time in which the broker asked. */
function timeFinding(
  stated: string | null | undefined,
  [before, after]: readonly [number, number],
): readonly Finding[] {
  const time = Date.parse(stated ?? '');
  if (Number.isNaN(time)) return [];
  const aheadMs = time - after;
  const behindMs = before - (time + 1_000);
  const seconds = Math.ceil(Math.max(aheadMs, behindMs, 0) / 1_000);
  if (seconds <= MOST_SECONDS_APART)
    return [fine(`clock: within ${MOST_SECONDS_APART} seconds of the broker`)];
  const side = aheadMs > 0 ? 'ahead of' : 'behind';
  return [
    problem(
      `clock: the API server is ${seconds} seconds ${side} the broker, so its tokens may be refused: set both clocks by NTP`,
    ),
  ];
}

/** A review of a text that is not a token: the server must refuse the text, not the broker. */
export async function reviewFinding(
  api: KubernetesApi,
  { audiences }: KubernetesClusterSpec,
  clock: Clock,
): Promise<Finding> {
  const signal = new AbortController().signal;
  try {
    await new TokenReviewer(api, audiences, clock).review(NO_TOKEN, signal);
  } catch (error) {
    if (codeOf(error) === 'ERR_TOKEN_INVALID')
      return fine('reviews: the broker may have tokens reviewed');
    const cause = error instanceof BrokerError ? (error.cause ?? error) : error;
    return problem(
      `reviews: fail (${adviceFor(cause)}): the ClusterRole of the broker needs create of tokenreviews.authentication.k8s.io`,
    );
  }
  return problem(
    'reviews: the API server accepts a text that is not a token: do not use this cluster',
  );
}

const discovery = z.object({ issuer: z.string() });

/** Compares the issuer with the one that the server publishes. Only accounts of the cluster may read that document by default. */
export async function issuerFinding(
  api: KubernetesApi,
  { issuer }: KubernetesClusterSpec,
  clock: Clock,
): Promise<Finding | undefined> {
  const path = ['.well-known', 'openid-configuration'];
  try {
    const found = discovery.safeParse(await ask(api, clock, { method: 'GET', path }));
    if (!found.success) return undefined;
    if (found.data.issuer === issuer) return fine(`issuer: ${issuer}`);
    return problem(
      `issuer: the API server issues tokens as ${JSON.stringify(found.data.issuer.slice(0, 256))}, and the cluster is registered with ${JSON.stringify(issuer)}: correct the cluster, or every login is refused`,
    );
  } catch {
    return undefined;
  }
}

interface Right {
  readonly group: string;
  readonly resource: string;
  readonly verb: string;
  /** The reason why the broker needs it. */
  readonly use: string;
}

const GROUPS: Readonly<Record<string, string>> = {
  namespaces: '',
  networkpolicies: 'networking.k8s.io',
  vulnerabilityreports: 'aquasecurity.github.io',
  exposedsecretreports: 'aquasecurity.github.io',
};

export function watchRights(
  { podWatch }: KubernetesClusterSpec,
  watched: readonly string[],
): readonly Right[] {
  const pods = podWatch
    ? ['get', 'list', 'watch'].map((verb) => ({
        group: '',
        resource: 'pods',
        verb,
        use: 'podWatch',
      }))
    : [];
  const others = watched.flatMap((resource) =>
    ['list', 'watch'].map((verb) => ({
      group: GROUPS[resource] ?? '',
      resource,
      verb,
      use: `the watch of ${resource}`,
    })),
  );
  return [...pods, ...others];
}

const accessReview = z.object({ status: z.object({ allowed: z.boolean() }) });

export async function rightFinding(
  api: KubernetesApi,
  { group, resource, verb, use }: Right,
  clock: Clock,
): Promise<Finding> {
  const body = {
    apiVersion: 'authorization.k8s.io/v1',
    kind: 'SelfSubjectAccessReview',
    spec: { resourceAttributes: { group, resource, verb } },
  };
  const path = ['apis', 'authorization.k8s.io', 'v1', 'selfsubjectaccessreviews'];
  const what = `${verb} ${resource} in all namespaces`;
  try {
    const answer = accessReview.safeParse(await ask(api, clock, { method: 'POST', path, body }));
    if (answer.success && answer.data.status.allowed) return fine(`rights: may ${what}`);
    return problem(
      `rights: may not ${what}, which ${use} needs: add the verb to the ClusterRole of the broker in docs/clusters.md`,
    );
  } catch (error) {
    return problem(`rights: whether the broker may ${what} is not known (${adviceFor(error)})`);
  }
}

async function ask(api: KubernetesApi, clock: Clock, request: KubernetesRequest): Promise<unknown> {
  return withDeadline(clock, ASK_MS, (signal) =>
    api.call({ ...request, maxBytes: MAX_ANSWER_BYTES }, signal),
  );
}
