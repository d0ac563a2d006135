import type { CoreServedParts, OptionGroups } from '../api/request/request-deps.ts';
import type { Enforcing } from '../features/alerts/enforcement.ts';
import type { PostureMeasured } from '../features/posture/posture-metrics.ts';
import type { Work } from '../broker/state/dependencies.ts';
import type { Copies } from '../features/copies/open-copies.ts';

/** Dependencies of the use cases that every broker has. */
export type CoreParts = CoreServedParts & Work;

/** Copies of the custom resources of one cluster. */
export interface CopiedResources {
  readonly cluster: string;
  /** Documents that are kept without their resource. */
  readonly held: number;
  /** Changes that wait for the next complete list, because too many waited. */
  readonly postponed: number;
  count(state: 'accepted' | 'refused' | 'failed'): number;
}

/** Dependencies of the use cases of options. */
export type OptionParts = OptionGroups &
  Enforcing &
  Pick<PostureMeasured, 'watchedReports'> &
  Copies & {
    /** Copies of custom resources, one for each cluster of the configuration. */
    readonly clusterDocuments: () => readonly CopiedResources[];
  };

/** Dependencies of all use cases. Only the composition knows all of them: each use case names the groups that it needs. */
export type Parts = CoreParts & OptionParts;
