import type { ClusterSpec } from '../domain/identity/cluster.ts';
import { BrokerError } from '../domain/errors.ts';
import type { Problem } from '../domain/errors.ts';
import { declaredHost, isAllowedHost } from '../domain/network/allowed-hosts.ts';
import type { NamedConnection } from './cluster-connection.ts';
import type { EnrolledConnection } from './config.ts';

/**
 * Refuses a cluster whose tokens would be accepted without an audience, an issuer or an expiry.
 * @throws ERR_BODY_INVALID with `problems`.
 */
export function checkCluster(spec: ClusterSpec, connection: NamedConnection): void {
  const problems = [...tokenProblems(spec), ...connectionProblems(spec, connection)];
  if (problems.length > 0) {
    throw new BrokerError('ERR_BODY_INVALID', 'the cluster cannot be used', { problems });
  }
}

function tokenProblems(spec: ClusterSpec): Problem[] {
  const problems: Problem[] = [];
  if (spec.type === 'spiffe') return problems;
  if (spec.issuer === '') problems.push(problem('/issuer', 'an issuer is needed'));
  if (spec.audiences.length === 0 || spec.audiences.includes('')) {
    problems.push(problem('/audiences', 'at least one audience is needed, none of them empty'));
  }
  const lifetime = spec.maxTokenLifetimeSeconds;
  if (!Number.isSafeInteger(lifetime) || lifetime <= 0) {
    problems.push(problem('/maxTokenLifetimeSeconds', 'a whole number of seconds above 0'));
  }
  return problems;
}

function connectionProblems(spec: ClusterSpec, connection: NamedConnection): Problem[] {
  if (connection.type === 'enrolled') return enrolmentProblems(spec, connection);
  if (spec.type === 'spiffe' || connection.type === 'spiffe') {
    return spiffeProblems(spec, connection);
  }
  if (connection.type === 'kubernetes') {
    if (spec.type === 'oidc')
      return [problem('/connection', 'a cluster of type oidc needs a jwks connection')];
    return connection.isEnrolled === true ? [] : withoutEnrolment(spec);
  }
  const problems =
    spec.type === 'kubernetes' ? [...withoutEnrolment(spec), ...problemsWithoutApi(spec)] : [];
  if ('issuerUrl' in connection && connection.issuerUrl !== spec.issuer) {
    problems.push(problem('/issuer', 'not the issuerUrl of the connection'));
  }
  return problems;
}

/** Lists the settings of a cluster that need an API server, if its connection leads to none. */
function problemsWithoutApi({ mode, podWatch, trivyReports }: KubernetesSpec): Problem[] {
  const needsApi: readonly [pointer: string, isAsked: boolean, message: string][] = [
    ['/mode', mode !== 'jwks', 'a review needs a kubernetes connection'],
    ['/podWatch', podWatch, 'a watch needs a kubernetes connection'],
    ['/trivyReports', trivyReports, 'a watch needs a kubernetes connection'],
  ];
  return needsApi
    .filter(([, isAsked]) => isAsked)
    .map(([pointer, , message]) => problem(pointer, message));
}

type KubernetesSpec = Extract<ClusterSpec, { readonly type: 'kubernetes' }>;

function withoutEnrolment({ apiServer }: KubernetesSpec): Problem[] {
  return apiServer === undefined
    ? []
    : [problem('/apiServer', 'only a connection of type enrolled takes its API server from here')];
}

function enrolmentProblems(spec: ClusterSpec, { hosts }: EnrolledConnection): Problem[] {
  if (spec.type !== 'kubernetes' || spec.apiServer === undefined) {
    return [problem('/apiServer', 'a connection of type enrolled needs a cluster with apiServer')];
  }
  if (isAllowedHost(hosts, declaredHost(spec.apiServer.url) ?? '')) return [];
  return [problem('/apiServer/url', 'its host is not in "hosts" of the connection')];
}

function spiffeProblems(spec: ClusterSpec, connection: NamedConnection): Problem[] {
  if (spec.type !== 'spiffe' || connection.type !== 'spiffe') {
    return [
      problem('/connection', 'a cluster of type spiffe, and no other, needs a spiffe connection'),
    ];
  }
  return spec.issuer === `spiffe://${connection.trustDomain}`
    ? []
    : [problem('/issuer', 'not the trustDomain of the connection')];
}

function problem(pointer: string, message: string): Problem {
  return { pointer, message };
}
