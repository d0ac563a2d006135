import type { OptionGroups } from '../api/request/request-deps.ts';
import type { Enforcing } from '../broker/alerts/pod-responses.ts';
import type {
  Access,
  Backends,
  Bounds,
  Keys,
  People,
  Recording,
  Values,
  Work,
} from '../broker/state/dependencies.ts';
import type { Consenting } from '../broker/recording/consent.ts';
import type { Alarming } from '../broker/recording/decoys.ts';
import type { PostureMeasured } from '../broker/posture/posture-metrics.ts';
import type { Copies } from './backups-and-archives.ts';
import type { AuthenticatedRows } from '../broker/kernel/row-macs.ts';
import type { Streams } from '../broker/state/event-streams.ts';
import type { Proofs } from '../broker/state/proof-memory.ts';
import type { AuditLog } from '../ports/audit-log.ts';
import type { PublicLog } from '../ports/public-log.ts';
import type { RequiredReceivers } from '../ports/required-receivers.ts';
import type { Configuration } from '../ports/configuration.ts';
import type { RootKeyWrappers } from '../broker/keys/root-key-wrappers.ts';

/** Dependencies of the use cases that every broker has. */
export type CoreParts = Recording &
  Access &
  Backends &
  Keys &
  AuthenticatedRows &
  Values &
  Bounds &
  Work &
  Streams &
  People &
  Consenting &
  Alarming &
  Proofs & {
    readonly audit: AuditLog;
    readonly publicLog: PublicLog | undefined;
    readonly receivers: RequiredReceivers;
    readonly configuration: Configuration | undefined;
    readonly wrappers: RootKeyWrappers;
  };

/** Copies of the custom resources of one cluster. */
export interface CopiedResources {
  readonly cluster: string;
  /** Documents that are kept without their resource. */
  readonly held: number;
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
