import type { KubernetesApi } from '../../../src/ports/kubernetes-api.ts';

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

/** A cluster for the contract tests: the real API server or the scripted one. */
export interface KubeCluster {
  readonly issuer: string;
  /** Connected like the broker, with the rights from docs/clusters.md. */
  readonly api: KubernetesApi;
  createNamespace(): Promise<string>;
  /** @returns its UID. */
  createAccount(namespace: string, name: string): Promise<string>;
  removeAccount(namespace: string, name: string): Promise<void>;
  createPod(pod: {
    readonly namespace: string;
    readonly name: string;
    readonly serviceAccount: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly spec?: Readonly<Record<string, unknown>>;
  }): Promise<PodRef>;
  /** Adds an ephemeral container, as `kubectl debug` does. */
  debug(pod: PodRef, container: object): Promise<void>;
  setPhase(pod: PodRef, phase: string): Promise<void>;
  terminate(pod: PodRef, graceSeconds: number): Promise<void>;
  remove(pod: PodRef): Promise<void>;
  token(wish: TokenWish): Promise<string>;
  /** Restarts the API server with its state. */
  restart(): Promise<void>;
  close(): Promise<void>;
}
