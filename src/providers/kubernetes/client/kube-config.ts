/** The part of client-node that the broker uses. A bundle of it leaves out the rest: the types and clients of every object of Kubernetes. */
export { KubeConfig } from '@kubernetes/client-node';
