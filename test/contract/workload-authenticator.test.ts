import { fakeKubeCluster } from '../kit/cluster/fake-kube-cluster.ts';
import { workloadAuthenticatorContract } from './workload-authenticator.contract.ts';

workloadAuthenticatorContract('the scripted API server', fakeKubeCluster);
