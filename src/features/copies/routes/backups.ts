import * as z from 'zod';
import { createBackup as create, listBackups as list } from '../backups.ts';
import { recordDrill as record } from '../../../broker/upkeep/drills.ts';
import { instant } from '../../../domain/time/instant.ts';
import type { Backup, BackupRun } from '../../../ports/backups.ts';
import { parseInput } from '../../../api/request/parse-input.ts';
import type { RouteOf } from '../../../api/request/route.ts';
import type { Shape } from '../../../api/contract/shapes.ts';

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

const report = z.strictObject({
  checks: z
    .array(
      z.strictObject({
        name: z.string().regex(/^[A-Za-z][A-Za-z -]{0,39}$/),
        state: z.enum(['ok', 'failed', 'skipped']),
      }),
    )
    .min(1)
    .max(16),
});

export const recordDrill: RouteOf<'recordDrill'> = {
  body: { maxBytes: 4_096 },
  read: ({ body }) => {
    const { checks } = parseInput(report, body?.value);
    return async ({ parts, call, caller }) => {
      await record(parts, call, caller, checks);
      return { status: 204 };
    };
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
