import type { Config } from './config/schema.ts';
import type { Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';
import type { Store } from '../ports/store.ts';
import type { OpenedStore } from '../store/index.ts';
import { openArchives, type ArchiveRuns } from '../backup/archive-runs.ts';
import type { AuditTrail, BootLog } from './log/audit-trail.ts';
import type { ScheduledBackups } from '../backup/scheduled-backups.ts';
import type { InstallationKeys } from './installation/keys.ts';

/** Copies of the store and of the old part of the log that the broker makes. */
export interface Copies {
  readonly backups: ScheduledBackups | undefined;
  readonly archives: ArchiveRuns | undefined;
}

export const NO_COPIES: Copies = { backups: undefined, archives: undefined };

export async function openCopies(config: Config, deps: CopiesDeps): Promise<Copies> {
  return {
    backups: await openBackups(config, deps),
    archives: await openArchives(config.audit.archive, deps),
  };
}

interface CopiesDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly trail: AuditTrail;
  readonly opened: OpenedStore;
  readonly store: Store;
  readonly keys: InstallationKeys;
  readonly bootLog: BootLog;
}

/** Loads the code for backups only if the configuration has them. */
async function openBackups(
  { backup, store: storeConfig, mode }: Config,
  { opened, store, keys, bootLog, clock, log }: CopiesDeps,
): Promise<ScheduledBackups | undefined> {
  if (backup === undefined || storeConfig.type !== 'sqlite') return undefined;
  const { ScheduledBackups } = await import('../backup/scheduled-backups.ts');
  const { identity } = bootLog;
  const { path: storePath } = storeConfig;
  return ScheduledBackups.open({
    config: backup,
    storePath,
    opened,
    store,
    identity,
    keys,
    mode,
    clock,
    log,
  });
}
