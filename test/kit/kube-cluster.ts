import type { KubernetesApi } from '../../src/ports/kubernetes-api.ts';

export interface PodRef {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

interface TokenWish {
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly audience: string;
  readonly pod?: PodRef;
}

/** A cluster to which a contract is held: the real API server or the scripted one. */
export interface KubeCluster {
  readonly issuer: string;
  /** Connected as the broker is, with the rights docs/clusters.md asks for. */
  readonly api: KubernetesApi;
  createNamespace(): Promise<string>;
  /** Returns its UID. */
  createAccount(namespace: string, name: string): Promise<string>;
  removeAccount(namespace: string, name: string): Promise<void>;
  createPod(pod: {
    readonly namespace: string;
    readonly name: string;
    readonly serviceAccount: string;
    readonly labels?: Readonly<Record<string, string>>;
  }): Promise<PodRef>;
  setPhase(pod: PodRef, phase: string): Promise<void>;
  terminate(pod: PodRef, graceSeconds: number): Promise<void>;
  remove(pod: PodRef): Promise<void>;
  token(wish: TokenWish): Promise<string>;
  /** The API server goes and comes back with all it knew. */
  restart(): Promise<void>;
  close(): Promise<void>;
}
