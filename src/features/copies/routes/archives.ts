import * as z from 'zod';
import {
  archiveAudit as archive,
  listArchiveObjects as listObjects,
  readArchive as read,
} from '../archives.ts';
import { instant } from '../../../domain/time/instant.ts';
import type { ArchivePlan, ArchiveRun } from '../../../ports/archives.ts';
import { parseInput, parseParameter } from '../../../api/request/parse-input.ts';
import type { RouteOf } from '../../../api/request/route.ts';
import { entryIndex } from '../../../api/request/fields.ts';
import type { Shape } from '../../../api/contract/shapes.ts';

const request = z.strictObject({
  before: z.iso
    .datetime({ offset: true, error: 'a time is written like 2026-01-05T10:00:00Z' })
    .transform((value) => Date.parse(value))
    .optional(),
  dryRun: z.boolean().default(false),
  reason: z.string().min(1).max(512),
});

export const archiveAudit: RouteOf<'archiveAudit'> = {
  body: { maxBytes: 4_096 },
  read: ({ body }) => {
    const { before, dryRun, reason } = parseInput(request, body?.value);
    return async ({ parts, call, caller }) => {
      const result = await archive(parts, call, caller, { before, dryRun, comment: reason });
      return { status: 202, body: 'state' in result ? runJson(result) : planJson(result) };
    };
  },
};

export const readArchive: RouteOf<'readArchive'> = {
  read:
    () =>
    async ({ parts, call, caller }) => {
      const { place, keepDays, run, truncation } = await read(parts, call, caller);
      const body = { place, keepDays, truncation, ...(run && { run: runJson(run) }) };
      return { status: 200, body };
    },
};

export const listArchiveObjects: RouteOf<'listArchiveObjects'> = {
  query: ['start'],
  read: ({ query }) => {
    const start = parseParameter(entryIndex, query.get('start') ?? '0');
    return async ({ parts, call, caller }) => ({
      status: 200,
      body: { items: await listObjects(parts, call, caller, start) },
    });
  },
};

function planJson(plan: ArchivePlan): Shape<'ArchiveRun'> {
  const total = plan.end - plan.first;
  return { ...plan, state: 'planned', step: 'write', done: 0, total };
}

function runJson({ startedAt, finishedAt, ...run }: ArchiveRun): Shape<'ArchiveRun'> {
  return {
    ...run,
    startedAt: instant(startedAt),
    ...(finishedAt !== undefined && { finishedAt: instant(finishedAt) }),
  };
}
