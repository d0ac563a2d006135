import * as archiveRoutes from '../../api/routes/archives.ts';
import * as backupRoutes from '../../api/routes/backups.ts';
import { archiveRunMetrics } from '../../backup/archive-runs.ts';
import { noCopies, openCopies } from '../backups-and-archives.ts';
import type { Option } from './feature.ts';

const routes = { ...archiveRoutes, ...backupRoutes };

/** Scheduled backups of the store, and an archive of the old part of the log. */
export const copies = {
  routes,
  async open(deps) {
    const opened = deps.isHeld ? noCopies(deps.config) : await openCopies(deps.config, deps);
    const { backups, archives } = opened;
    return {
      parts: opened,
      warnings: () => [
        ...(backups?.hasFailed === true ? ['backup_failed'] : []),
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
      help: 'When the newest backup of the store was made; 0 if there is none. Absent on PostgreSQL, whose backups the broker does not make',
      labels: [],
      values: () =>
        parts.areBackupsElsewhere ? [] : [[{}, (parts.backups?.last ?? 0) / 1000] as const],
    },
    ...archiveRunMetrics(() => parts.archives),
  ],
} satisfies Option;
