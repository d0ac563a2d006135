export { connectKubernetes } from './connect-kubernetes.ts';
export type { KubernetesApi, KubernetesRequest } from '../../../ports/kubernetes-api.ts';
export {
  checkKubernetesAccess,
  kubernetesAccessFields,
  kubernetesConnectionSchema,
} from './config.ts';
export type { KubernetesAccess } from './config.ts';
