import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { probeCluster } from '../../src/auth/index.ts';
import type { KubernetesClusterSpec } from '../../src/domain/identity/cluster.ts';
import { systemClock } from '../../src/process/clock.ts';
import { describeWith } from '../kit/backends/backends.ts';
import type { KubeCluster } from '../kit/cluster/kube-cluster.ts';
import { realKubeCluster } from '../kit/cluster/real-kube-cluster.ts';
import { AUDIENCE, SPEC } from '../kit/identity/offline-cluster.ts';

describeWith(['kube'], 'the check of a cluster', ({ kube }) => {
  let cluster: KubeCluster;
  beforeAll(async () => {
    cluster = await realKubeCluster(kube);
  });
  afterAll(() => cluster.close());

  const check = (changes: Partial<KubernetesClusterSpec>, watched: readonly string[] = []) =>
    probeCluster({
      name: 'real',
      spec: {
        ...SPEC,
        issuer: cluster.issuer,
        audiences: [AUDIENCE],
        mode: 'both',
        podWatch: true,
        ...changes,
      },
      connection: { type: 'kubernetes', api: cluster.api },
      watched,
      clock: systemClock,
    });

  it('finds all that the documented rights give', async () => {
    const { healthy, findings } = await check({});
    const text = findings.join('\n');
    expect(text).toMatch(/knows the broker as system:serviceaccount:\S+:quaymaster$/m);
    for (const line of ['clock: within', 'keys: ', 'reviews: the broker may', 'may watch pods'])
      expect(text).toContain(line);
    expect([healthy, findings]).toEqual([true, findings]);
  });

  it('names a right that is missing, and another issuer', async () => {
    const { healthy, findings } = await check({ issuer: 'https://other.test' }, [
      'networkpolicies',
    ]);
    expect(healthy).toBe(false);
    expect(findings.join('\n')).toContain('may not watch networkpolicies in all namespaces');
    expect(findings.join('\n')).toContain('is registered with "https://other.test"');
  });
});
