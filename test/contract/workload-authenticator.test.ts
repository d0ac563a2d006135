import { fakeKubeCluster } from '../support/fake-kube-cluster.ts';
import { workloadAuthenticatorContract } from './workload-authenticator.contract.ts';

workloadAuthenticatorContract('the scripted API server', fakeKubeCluster);
