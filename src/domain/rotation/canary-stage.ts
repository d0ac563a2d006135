/** The pods that receive the pending value first. */
export interface CanaryStage {
  /** `pod`: the holders in one pod; `share`: a share of the pods. */
  readonly stage: 'pod' | 'share';
  /** Start of the stage, milliseconds since the epoch. */
  readonly since: number;
  /** `<cluster>/<pod UID>` of each. */
  readonly pods: readonly string[];
  /** Name of the pending value until it is current and has a version of its provider. */
  readonly version: string;
}

/** Parses the column `canary`, which only the broker writes. */
export function openCanaryStage(text: string | null): CanaryStage | undefined {
  return text === null ? undefined : (JSON.parse(text) as CanaryStage);
}

export function provisionalVersion(rotationId: string): string {
  return `pending-${rotationId}`;
}
