import type { BrokerStatus } from '../../ports/broker-status.ts';
import type { Log } from '../../ports/log.ts';
import { storeClaims } from '../../store/claims.ts';
import type { ArchiveConfig } from '../../audit/base/config.ts';
import { ArchiveRuns } from './archive-runs.ts';
import { VERSION } from '../../process/version.ts';
import type { OptionDeps, OptionSettings } from '../feature.ts';
import type { ScheduledBackups } from './scheduled-backups.ts';

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
function noCopies({ store }: Pick<OptionSettings, 'store'>): Copies {
  const whoseBackups = store.type === 'postgres' ? 'elsewhere' : 'none';
  return { backups: undefined, archives: undefined, whoseBackups };
}

export async function openCopies(config: OptionSettings, deps: OptionDeps): Promise<Copies> {
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
function warnOfNone({ mode, backup }: OptionSettings, log: Log): void {
  if (mode !== 'production') return;
  const cure =
    backup === undefined
      ? 'configure the section "backup": docs/upgrade-and-backup.md'
      : 'make one with quaymaster backup create';
  log.warn({}, `the store has no backup, so a lost disk loses every secret in it: ${cure}`);
}

/** Loads the code for backups only if the configuration has them. */
async function openBackups(
  { backup, store: storeConfig, mode }: OptionSettings,
  { opened, store, keys, trail, identity, createGuard, clock, log }: OptionDeps,
): Promise<ScheduledBackups | undefined> {
  if (backup === undefined) return undefined;
  const { ScheduledBackups } = await import('./scheduled-backups.ts');
  const claims = storeClaims(store, clock, { owner: trail.owner, alone: false });
  return ScheduledBackups.open({
    config: backup,
    storeConfig,
    claims: storeConfig.type === 'sqlite' ? undefined : claims('backup'),
    opened,
    store,
    identity,
    keys,
    createGuard,
    release: VERSION,
    mode,
    clock,
    log,
  });
}

/** Opens the archive; undefined if the configuration has none. */
async function openArchives(
  config: ArchiveConfig | undefined,
  { trail, clock, log }: OptionDeps,
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
