import { createBackup as create, listBackups as list } from '../../broker/upkeep/backups.ts';
import { instant } from '../../domain/time/instant.ts';
import type { Backup, BackupRun } from '../../ports/backups.ts';
import type { RouteOf } from '../contract/route.ts';

export const createBackup: RouteOf<'createBackup'> = {
  read:
    () =>
    async ({ parts, call, caller }) => ({
      status: 202,
      body: shownRun(await create(parts, call, caller)),
    }),
};

export const listBackups: RouteOf<'listBackups'> = {
  read:
    () =>
    async ({ parts, call, caller }) => {
      const { run, items } = await list(parts, call, caller);
      const body = { items: items.map(shownBackup), ...(run && { run: shownRun(run) }) };
      return { status: 200, body };
    },
};

function shownBackup({ createdAt, ...backup }: Backup): object {
  return { ...backup, createdAt: instant(createdAt) };
}

function shownRun({ startedAt, finishedAt, backup, ...run }: BackupRun): object {
  return {
    ...run,
    startedAt: instant(startedAt),
    ...(finishedAt !== undefined && { finishedAt: instant(finishedAt) }),
    ...(backup && { backup: shownBackup(backup) }),
  };
}
