import { describeWith } from '../backends/backends.ts';
import { realKubeCluster } from '../support/real-kube-cluster.ts';
import { workloadAuthenticatorContract } from './workload-authenticator.contract.ts';

describeWith(['kube'], 'kube-apiserver', ({ kube }) => {
  workloadAuthenticatorContract('the real API server', () => realKubeCluster(kube));
});
