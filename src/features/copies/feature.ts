import * as archiveRoutes from './routes/archives.ts';
import * as backupRoutes from './routes/backups.ts';
import { archiveRunMetrics } from './archive-runs.ts';
import { HELD_COPIES, openCopies, type Copies } from './open-copies.ts';
import type { Option } from '../feature.ts';
import type { BackupConfig } from './config.ts';

declare module '../feature.ts' {
  interface OptionSettings {
    readonly backup?: BackupConfig | undefined;
  }
}

declare module '../../api/request/request-deps.ts' {
  interface ServedParts extends Copies {}
}

const routes = { ...archiveRoutes, ...backupRoutes };

function knowsBackups({ whoseBackups }: Pick<Copies, 'whoseBackups'>): boolean {
  return whoseBackups === 'scheduled' || whoseBackups === 'none';
}

/** Scheduled backups of the store, and an archive of the old part of the log. */
export const copies = {
  routes,
  async open(deps) {
    const opened = deps.isHeld ? HELD_COPIES : await openCopies(deps.config, deps);
    const { backups, archives } = opened;
    return {
      parts: opened,
      warnings: () => [
        ...(backups?.hasFailed === true ? ['backup_failed'] : []),
        ...(backups?.isPlaceMissing === true ? ['backup_place_missing'] : []),
        ...(archives?.hasFailed === true ? ['audit_archive_failed'] : []),
      ],
      async stop() {
        await Promise.all([backups?.stop(), archives?.stop()]);
      },
    };
  },
  metrics: (parts) => [
    {
      name: 'quaymaster_backup_completed_timestamp_seconds',
      help: 'When the newest backup of the store was made; 0 if there is none. Absent on PostgreSQL without the section backup, and while the store is held',
      labels: [],
      values: () => (knowsBackups(parts) ? [[{}, (parts.backups?.last ?? 0) / 1000] as const] : []),
    },
    {
      name: 'quaymaster_backup_failing',
      help: '1 while the last backup failed, or the directory of the backups is missing; absent without the section backup',
      labels: [],
      values: () => {
        const { backups } = parts;
        if (backups === undefined) return [];
        return [[{}, backups.hasFailed || backups.isPlaceMissing ? 1 : 0] as const];
      },
    },
    ...archiveRunMetrics(() => parts.archives),
  ],
} satisfies Option;
