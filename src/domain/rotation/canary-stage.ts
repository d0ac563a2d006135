/** The pods that receive the pending value first. */
export interface CanaryStage {
  /** `pod`: the holders in one pod; `share`: a share of the pods. */
  readonly stage: 'pod' | 'share';
  /** Milliseconds since the epoch: when the stage began. */
  readonly since: number;
  /** `<cluster>/<pod UID>` of each. */
  readonly pods: readonly string[];
  /** What the pending value is called until it is current and gets the version of its provider. */
  readonly version: string;
}

/** Of the column `canary` of our own table. */
export function openCanaryStage(text: string | null): CanaryStage | undefined {
  return text === null ? undefined : (JSON.parse(text) as CanaryStage);
}

export function provisionalVersion(rotationId: string): string {
  return `pending-${rotationId}`;
}
