import type { ConfiguredAlertSources } from '../auth/alert-sources/alert-sources.ts';
import type { Alerting } from '../broker/alerts/alerting.ts';
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
import type { Approving } from '../broker/approvals/approval-memory.ts';
import type { Attesting } from '../broker/attestations/attestations.ts';
import type { Posture } from '../broker/posture/judging.ts';
import type { SealedRows } from '../broker/kernel/row-seals.ts';
import type { Streams } from '../broker/state/event-streams.ts';
import type { Proofs } from '../broker/state/proof-memory.ts';
import type { Archives } from '../ports/archives.ts';
import type { AuditLog } from '../ports/audit-log.ts';
import type { PublicLog } from '../ports/public-log.ts';
import type { RequiredReceivers } from '../ports/required-receivers.ts';
import type { Backups } from '../ports/backups.ts';
import type { Configuration } from '../ports/configuration.ts';
import type { RootKeyWrappers } from '../broker/keys/root-key-wrappers.ts';

/** Dependencies of all use cases. Only the composition knows all of them: each use case names the groups that it needs. */
export type Parts = Recording &
  Access &
  Backends &
  Keys &
  SealedRows &
  Values &
  Bounds &
  Work &
  Streams &
  People &
  Alerting &
  Posture &
  Attesting &
  Approving &
  Consenting &
  Alarming &
  Proofs & {
    /** Sources of alerts, with the method that a reload calls. */
    readonly alertSources: ConfiguredAlertSources;
    readonly audit: AuditLog;
    readonly publicLog: PublicLog | undefined;
    readonly receivers: RequiredReceivers;
    readonly backups: Backups | undefined;
    readonly configuration: Configuration | undefined;
    readonly archives: Archives | undefined;
    readonly wrappers: RootKeyWrappers;
  };
