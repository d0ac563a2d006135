import { describeWith } from '../kit/backends/backends.ts';
import { realKubeCluster } from '../kit/cluster/real-kube-cluster.ts';
import { workloadAuthenticatorContract } from './workload-authenticator.contract.ts';

describeWith(['kube'], 'kube-apiserver', ({ kube }) => {
  workloadAuthenticatorContract('the real API server', () => realKubeCluster(kube));
});
