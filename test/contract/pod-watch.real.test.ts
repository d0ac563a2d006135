import { startKube } from '../kit/backends/kube.ts';
import { describeWith } from '../kit/backends/backends.ts';
import { realKubeCluster } from '../kit/cluster/real-kube-cluster.ts';
import { podWatchContract } from './pod-watch.contract.ts';

describeWith(['kube'], 'kube-apiserver', () => {
  // A server of its own, because it is restarted.
  podWatchContract('the real API server', async () => {
    const kube = await startKube();
    const cluster = await realKubeCluster(kube);
    return {
      ...cluster,
      async close() {
        await cluster.close();
        await kube.stop();
      },
    };
  });
});
