import { createAuthenticator } from '../../../src/auth/index.ts';
import type { ClusterConnection } from '../../../src/auth/index.ts';
import type { KubernetesClusterSpec } from '../../../src/domain/identity/cluster.ts';
import type { AttestedWorkload } from '../../../src/ports/workload-authenticator.ts';
import { connectKubernetes } from '../../../src/providers/kubernetes/client/client.ts';
import { FakeApiServer } from './fake-api-server.ts';
import type { FakePod } from './fake-pods.ts';
import { HandClock } from '../time/hand-clock.ts';
import { AUDIENCE, SPEC } from '../identity/offline-cluster.ts';
import type { LogLine } from '../identity/offline-cluster.ts';
import { warningsLog } from './warnings-log.ts';

/** A cluster behind a scripted API server; its clock is set to the present hour, like the server's. */
export interface FakeCluster {
  readonly fake: FakeApiServer;
  readonly clock: HandClock;
  readonly log: readonly LogLine[];
  readonly pod: FakePod;
  /** A valid token of the pod. */
  token(changes?: Readonly<Record<string, unknown>>): string;
  authenticate(token: string, signal?: AbortSignal): Promise<AttestedWorkload>;
  close(): Promise<void>;
}

export interface FakeClusterOptions {
  /** A running API server; it is closed with the cluster. */
  readonly fake?: FakeApiServer;
  /** Function that is called before the first connection. */
  readonly prepare?: (fake: FakeApiServer) => void;
  readonly connectionOf?: (fake: FakeApiServer) => ClusterConnection;
}

export async function fakeCluster(
  changes: Partial<KubernetesClusterSpec>,
  options: FakeClusterOptions = {},
): Promise<FakeCluster> {
  const fake = options.fake ?? (await FakeApiServer.start());
  options.prepare?.(fake);
  fake.createAccount('prod', 'api');
  const pod = fake.pods.create({ namespace: 'prod', name: 'api-0', serviceAccount: 'api' });
  const api = await connectKubernetes(fake.access);
  const clock = new HandClock(Date.now());
  const log: LogLine[] = [];
  const authenticator = createAuthenticator(
    { name: 'east', spec: { ...SPEC, ...changes } },
    options.connectionOf?.(fake) ?? { type: 'kubernetes', api },
    { clock, log: warningsLog((fields, message) => void log.push({ message, ...fields })) },
  );
  const never = new AbortController().signal;
  return {
    fake,
    clock,
    log,
    pod,
    token: (own) =>
      fake.token({ namespace: 'prod', serviceAccount: 'api', audience: [AUDIENCE], pod }, own),
    authenticate: (token, signal = never) =>
      authenticator.authenticate(token, { requestId: 'req_1', signal }),
    async close() {
      authenticator.close();
      api.close();
      await fake.close();
    },
  };
}
