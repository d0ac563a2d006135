import { z } from 'zod';
import { replayDecisions, type ReplayPage } from '../../broker/decisions/replay.ts';
import { instant } from '../../domain/instant.ts';
import { objectName } from '../fields.ts';
import { parseInput } from '../parse-input.ts';
import type { RouteOf } from '../route.ts';

const time = z.iso
  .datetime({ offset: true, error: 'must be a time such as 2026-01-05T10:00:00Z' })
  .transform((value) => Date.parse(value));

const replay = z.strictObject({
  draft: z
    .strictObject({
      policies: z.array(z.unknown()).max(2_000).default([]),
      remove: z.array(objectName).max(10_000).default([]),
    })
    .optional(),
  from: time,
  to: time.optional(),
  after: z.string().min(1).max(512).optional(),
});

/** About 2,000 policies. Reading it takes as long as 20 ms, during which nothing else is answered. */
const DRAFT_BYTES = 1_048_576;

export const replayPolicies: RouteOf<'replayPolicies'> = {
  body: { maxBytes: DRAFT_BYTES },
  read: ({ body }) => {
    const asked = parseInput(replay, body?.value);
    return async ({ parts, call, caller }) => ({
      status: 200,
      body: shownPage(await replayDecisions(parts, call, caller, asked)),
    });
  },
};

function shownPage({
  items,
  grants,
  skipped,
  widened,
  entries,
  next,
  ...times
}: ReplayPage): object {
  const { reached, knownSince } = times;
  return {
    items: items.map((item) => ({
      ...item,
      first: instant(item.first),
      last: instant(item.last),
    })),
    grants: grants.map((grant) => ({ ...grant, last: instant(grant.last) })),
    skipped,
    widened,
    entries,
    ...(reached !== undefined && { reached: instant(reached) }),
    ...(knownSince !== undefined && { knownSince: instant(knownSince) }),
    ...(next !== undefined && { next }),
  };
}
