import { BrokerError } from '../../domain/errors.ts';
import type { Backup, BackupRun, Backups } from '../../ports/backups.ts';
import type { Call } from '../../broker/access/call.ts';
import type { Access, Recording } from '../../broker/state/dependencies.ts';
import { recordOperation, requireRole } from '../../broker/recording/operation.ts';
import type { LiveOperator } from '../../broker/state/operator-token-memory.ts';

/** Groups of backups; `backups` is undefined if the configuration has none. */
type BackingUp = Recording & Access & { readonly backups: Backups | undefined };

/** Starts a backup, or returns the one in progress. @throws ERR_DENIED, ERR_CONFLICT if the configuration has no backups */
export function createBackup(
  parts: BackingUp,
  call: Call,
  caller: LiveOperator,
): Promise<BackupRun> {
  return recordOperation({ parts, call, caller }, { action: 'backup.create' }, (operator) => {
    requireRole(operator, 'admin');
    return configured(parts).start();
  });
}

export interface BackupList {
  readonly run: BackupRun | undefined;
  readonly items: readonly Backup[];
}

/** @throws ERR_DENIED, ERR_CONFLICT */
export function listBackups(
  parts: BackingUp,
  call: Call,
  caller: LiveOperator,
): Promise<BackupList> {
  return recordOperation({ parts, call, caller }, { action: 'backup.list' }, async (operator) => {
    requireRole(operator, 'admin');
    const backups = configured(parts);
    return { run: backups.run(), items: await backups.list() };
  });
}

function configured({ backups }: BackingUp): Backups {
  if (backups !== undefined) return backups;
  throw new BrokerError(
    'ERR_CONFLICT',
    'the configuration of the broker has no section "backup"; see docs/upgrade-and-backup.md',
  );
}
