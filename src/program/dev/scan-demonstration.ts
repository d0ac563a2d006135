import { bearer, WorkloadSession, type BrokerClient } from '../../client/index.ts';
import type { Clock } from '../../ports/clock.ts';
import { uidOf } from './issuer.ts';
import type { RunningPod } from './pods.ts';
import { waitForOutcome } from './seed.ts';

/** Pod whose profile wants a scan of its image; a response rule puts it in quarantine. */
export const SCANNED_POD: RunningPod = {
  namespace: 'shop',
  serviceAccount: 'web',
  name: 'scanned-0',
  labels: { scan: 'required' },
  image: `registry.example/shop/scanned@sha256:${'a3d1c0f7'.repeat(8)}`,
};
const [, DIGEST = ''] = SCANNED_POD.image.split('@');
const SECRET = 'demo/shop/db';

interface Demonstration {
  readonly client: BrokerClient;
  readonly operator: BrokerClient;
  /** Token of the pod. */
  readonly token: string;
  /** Secret of the sources of alerts. */
  readonly alertSecret: string;
  readonly clock: Clock;
}

/**
 * Demonstrates a pod whose secrets depend on scans and alerts. It begins and ends without evidence about the image and without quarantine of the pod.
 * @returns one line with the result of each step
 */
export async function demonstrateScan(demonstration: Demonstration): Promise<readonly string[]> {
  const { client, operator, token, alertSecret, clock } = demonstration;
  await forget(operator);
  const session = await WorkloadSession.logIn(client, { cluster: 'dev', token });
  const read = (): Promise<string> =>
    waitForOutcome(session.client.call('readSecret', { path: { path: SECRET } }));
  const push = (found: readonly object[], scannedAt: number): Promise<unknown> => {
    const report = JSON.stringify(trivyReport(found, scannedAt));
    return operator.call('pushEvidence', { body: { report, covers: ['vulnerabilities'] } });
  };
  const lines = [
    `pod shop/scanned-0 read ${SECRET}, and no scanner saw its image: ${await read()}`,
  ];
  await push([VULNERABILITY], clock.now() - 1_000);
  lines.push(`a scan found a critical vulnerability that has a fix: ${await read()}`);
  await push([], clock.now());
  lines.push(`the next scan found none: ${await read()}`);
  await client.as(bearer(alertSecret)).call('receiveAlert', {
    path: { name: 'falcosidekick' },
    body: shellAlert(new Date(clock.now()).toISOString()),
  });
  const login = await waitForOutcome(
    client.call('createSession', { body: { cluster: 'dev', token } }),
  );
  lines.push(
    `Falco reported a shell in the pod: a read is ${await read()}, and a new login ${login}`,
  );
  await forget(operator);
  return lines;
}

async function forget(operator: BrokerClient): Promise<void> {
  for await (const { id } of operator.pages('listEvidence', { query: { image: DIGEST } })) {
    await operator.call('deleteEvidence', { path: { id } });
  }
  const uid = uidOf('pod', `${SCANNED_POD.namespace}/${SCANNED_POD.name}`);
  const { body } = await operator.call('listQuarantines');
  for (const { id, subject } of body.items) {
    if (subject !== `dev/${uid}`) continue;
    const query = { reason: 'end of the demonstration' };
    await operator.call('liftQuarantine', { path: { id }, query });
  }
}

const VULNERABILITY = {
  VulnerabilityID: 'CVE-2026-1000',
  PkgName: 'zlib1g',
  InstalledVersion: '1.2.13',
  FixedVersion: '1.2.14',
  Severity: 'CRITICAL',
};

/** Report as `trivy image --format json` writes it. */
function trivyReport(found: readonly object[], scannedAt: number): object {
  return {
    SchemaVersion: 2,
    Trivy: { Version: '0.74.0' },
    CreatedAt: new Date(scannedAt).toISOString(),
    ArtifactName: SCANNED_POD.image,
    ArtifactType: 'container_image',
    Metadata: { RepoDigests: [SCANNED_POD.image] },
    Results: [
      {
        Target: 'debian',
        Class: 'os-pkgs',
        Type: 'debian',
        Packages: [{ Name: 'openssl' }],
        Vulnerabilities: found,
      },
    ],
  };
}

/** Alert as falcosidekick forwards it. */
function shellAlert(time: string): Record<string, unknown> {
  const { namespace, name } = SCANNED_POD;
  return {
    rule: 'Terminal shell in container',
    priority: 'Notice',
    source: 'syscall',
    time,
    output_fields: {
      'k8s.ns.name': namespace,
      'k8s.pod.name': name,
      'k8s.pod.uid': uidOf('pod', `${namespace}/${name}`),
    },
  };
}
