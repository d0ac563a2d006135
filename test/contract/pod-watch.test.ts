import { fakeKubeCluster } from '../kit/cluster/fake-kube-cluster.ts';
import { podWatchContract } from './pod-watch.contract.ts';

podWatchContract('the scripted API server', fakeKubeCluster);
