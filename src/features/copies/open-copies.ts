import type { Config } from '../../program/config/schema.ts';
import type { BrokerStatus } from '../../ports/broker-status.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Log } from '../../ports/log.ts';
import type { Store } from '../../ports/store.ts';
import { storeClaims } from '../../store/claims.ts';
import type { OpenedStore } from '../../store/index.ts';
import type { ArchiveConfig } from '../../audit/base/config.ts';
import { ArchiveRuns } from './archive-runs.ts';
import { VERSION } from '../../process/version.ts';
import { createGuard } from '../../program/installation/guarded-state.ts';
import type { AuditTrail, BootLog } from '../../program/log/audit-trail.ts';
import type { ScheduledBackups } from './scheduled-backups.ts';
import type { InstallationKeys } from '../../broker/keys/installation-keys.ts';

/** Copies of the store and of the old part of the log that the broker makes. */
export interface Copies {
  readonly backups: ScheduledBackups | undefined;
  readonly archives: ArchiveRuns | undefined;
  readonly whoseBackups: BrokerStatus['backups'];
}

/** The copies of a broker whose store is held: it makes none, and does not look for those that there are. */
export const HELD_COPIES: Copies = {
  backups: undefined,
  archives: undefined,
  whoseBackups: 'unknown',
};

/** The copies of a broker that makes none. */
function noCopies({ store }: Pick<Config, 'store'>): Copies {
  const whoseBackups = store.type === 'postgres' ? 'elsewhere' : 'none';
  return { backups: undefined, archives: undefined, whoseBackups };
}

export async function openCopies(config: Config, deps: CopiesDeps): Promise<Copies> {
  const backups = await openBackups(config, deps);
  const copies = noCopies(config);
  if (copies.whoseBackups === 'none' && backups?.last === undefined) warnOfNone(config, deps.log);
  return {
    whoseBackups: backups === undefined ? copies.whoseBackups : 'scheduled',
    backups,
    archives: await openArchives(config.audit.archive, deps),
  };
}

/** A store without a backup is lost with its disk. Development mode starts with an empty store each time. */
function warnOfNone({ mode, backup }: Config, log: Log): void {
  if (mode !== 'production') return;
  const cure =
    backup === undefined
      ? 'configure the section "backup": docs/upgrade-and-backup.md'
      : 'make one with quaymaster backup create';
  log.warn({}, `the store has no backup, so a lost disk loses every secret in it: ${cure}`);
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
  { opened, store, keys, trail, bootLog, clock, log }: CopiesDeps,
): Promise<ScheduledBackups | undefined> {
  if (backup === undefined) return undefined;
  const { ScheduledBackups } = await import('./scheduled-backups.ts');
  const { identity } = bootLog;
  const claims = storeClaims(store, clock, { owner: trail.owner, alone: false });
  return ScheduledBackups.open({
    config: backup,
    storeConfig,
    claims: storeConfig.type === 'sqlite' ? undefined : claims('backup'),
    opened,
    store,
    identity,
    keys,
    createGuard: () => createGuard({ clock, log }),
    release: VERSION,
    mode,
    clock,
    log,
  });
}

/** Opens the archive; undefined if the configuration has none. */
async function openArchives(
  config: ArchiveConfig | undefined,
  { trail, clock, log }: { readonly trail: AuditTrail; readonly clock: Clock; readonly log: Log },
): Promise<ArchiveRuns | undefined> {
  const { archiver, reader } = trail;
  if (config === undefined || archiver === undefined) return undefined;
  const lastAt = async (): Promise<number | undefined> => {
    const truncation = await reader.truncation();
    return truncation && Date.parse(truncation.time);
  };
  const runs = new ArchiveRuns({ config, archiver, lastAt, clock, log });
  await runs.open();
  return runs;
}
