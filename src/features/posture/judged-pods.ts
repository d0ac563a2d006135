/** A pod by name; the name is empty for a workload without a pod. */
export interface NamedPod {
  readonly cluster: string;
  readonly namespace: string;
  readonly name: string;
  /** Undefined for a pod that is only asked about. */
  readonly uid?: string | undefined;
}

/** A pod whose verdict is kept. */
export type JudgedPodName = NamedPod & { readonly uid: string };

/** Limit of remembered pods. With more, all pods with sessions are examined after a change. */
const MOST = 50_000;

/** The pods that were judged, so that a change of evidence examines the pods that it concerns and no others. */
export class JudgedPods {
  readonly #pods = new Map<string, JudgedPodName>();
  #isOver = false;

  note({ uid, ...named }: NamedPod): void {
    if (uid === undefined) return;
    const key = `${named.cluster}/${uid}`;
    if (this.#pods.size >= MOST && !this.#pods.has(key)) this.#isOver = true;
    else this.#pods.set(key, { ...named, uid });
  }

  /** The next judgement notes the pod again. */
  forget({ cluster, uid }: Pick<JudgedPodName, 'cluster' | 'uid'>): void {
    this.#pods.delete(`${cluster}/${uid}`);
  }

  all(): Iterable<JudgedPodName> {
    return this.#pods.values();
  }

  /** Reports whether pods were not remembered since the last call. */
  takeOver(): boolean {
    const isOver = this.#isOver;
    this.#isOver = false;
    return isOver;
  }
}
