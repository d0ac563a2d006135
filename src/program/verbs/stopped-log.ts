import type { LogIdentity } from '../../audit/records/log-identity.ts';
import { KeyringRowMacs } from '../../broker/kernel/row-macs.ts';
import { loadKeys, type InstallationKeys } from '../../broker/keys/installation-keys.ts';
import { BrokerError } from '../../domain/errors.ts';
import type { ArchiveStorage } from '../../ports/archive-storage.ts';
import type { Log } from '../../ports/log.ts';
import { systemClock } from '../../process/clock.ts';
import { createLog } from '../../process/log.ts';
import type { RowGuard } from '../../store/guard/row-guard.ts';
import { openStore, type OpenedStore } from '../../store/index.ts';
import type { Config } from '../config/schema.ts';
import { createGuard } from '../installation/guarded-state.ts';
import { openWrappers } from '../keys/keys.ts';
import { AuditTrail, beginLog, openBootLog } from '../log/audit-trail.ts';
import { openCheckpointStorage } from '../log/checkpoint-storage.ts';
import { refuseOtherBrokers } from './database-manifest.ts';

/** The store and the log of a stopped broker, opened as a start opens them. */
export interface StoppedLog {
  readonly store: OpenedStore;
  readonly keys: InstallationKeys;
  readonly rows: KeyringRowMacs;
  readonly guard: RowGuard;
  readonly identity: LogIdentity;
  /** Not started yet. */
  readonly trail: AuditTrail;
  readonly log: Log;
}

/**
 * Runs the work of a command on the store of a stopped broker. `done` is the reason with which the log ends.
 * @throws ERR_CONFLICT if another process of the broker uses the store, ERR_CONFIG_INVALID, ERR_SEALED
 */
export async function withStoppedLog<T>(
  config: Config,
  { archive, done }: { readonly archive?: ArchiveStorage; readonly done: string },
  work: (opened: StoppedLog) => Promise<T>,
): Promise<T> {
  const clock = systemClock;
  const log = createLog({ level: 'warn', clock });
  const begun = await beginLog(config, clock);
  const guard = createGuard({ clock, log });
  const { chain } = begun;
  const store = await openStore(config.store, { chain, clock, mode: config.mode, guard });
  try {
    await refuseOtherBrokers(store);
    const keys = await loadKeys(store, await openWrappers(config, clock));
    const rows = new KeyringRowMacs(keys.keyring);
    guard.open({ keyring: keys.keyring, rows });
    const bootLog = await openBootLog(begun, config, store, keys);
    const outside = await openCheckpointStorage(config.audit, clock);
    const deps = { config, store, outside, rows, archive, clock, log, isCommand: true };
    const trail = new AuditTrail(bootLog, deps);
    try {
      return await work({ store, keys, rows, guard, identity: bootLog.identity, trail, log });
    } finally {
      await trail.stop(done);
    }
  } catch (error) {
    throw BrokerError.from(error);
  } finally {
    await store.close();
  }
}

/** Starts the log. @throws ERR_HELD if the store is held; `consequence` says what was not done */
export async function startUnlessHeld(trail: AuditTrail, consequence: string): Promise<void> {
  const { held } = await trail.start();
  if (held === undefined) return;
  throw new BrokerError(
    'ERR_HELD',
    `the store is held (${held}), and ${consequence}; see docs/operations.md, "A held store"`,
  );
}
