import { createBackup as create, listBackups as list } from '../../broker/upkeep/backups.ts';
import { instant } from '../../domain/time/instant.ts';
import type { Backup, BackupRun } from '../../ports/backups.ts';
import type { RouteOf } from '../contract/route.ts';
import type { Shape } from '../contract/shapes.ts';

export const createBackup: RouteOf<'createBackup'> = {
  read:
    () =>
    async ({ parts, call, caller }) => ({
      status: 202,
      body: runJson(await create(parts, call, caller)),
    }),
};

export const listBackups: RouteOf<'listBackups'> = {
  read:
    () =>
    async ({ parts, call, caller }) => {
      const { run, items } = await list(parts, call, caller);
      const body = { items: items.map(backupJson), ...(run && { run: runJson(run) }) };
      return { status: 200, body };
    },
};

function backupJson({ createdAt, ...backup }: Backup): Shape<'Backup'> {
  return { ...backup, createdAt: instant(createdAt) };
}

function runJson({ startedAt, finishedAt, backup, ...run }: BackupRun): Shape<'BackupRun'> {
  return {
    ...run,
    startedAt: instant(startedAt),
    ...(finishedAt !== undefined && { finishedAt: instant(finishedAt) }),
    ...(backup && { backup: backupJson(backup) }),
  };
}
