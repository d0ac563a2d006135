import * as z from 'zod';
import { DOCUMENT_CHARACTERS, parseTexts } from '../request/body/parse-texts.ts';
import { replayDecisions, type ReplayPage } from '../../broker/decisions/replay.ts';
import { instant } from '../../domain/time/instant.ts';
import { objectName } from '../request/fields.ts';
import { parseInput } from '../request/parse-input.ts';
import type { RouteOf } from '../request/route.ts';
import type { Shape } from '../contract/shapes.ts';

const time = z.iso
  .datetime({ offset: true, error: 'must be a time such as 2026-01-05T10:00:00Z' })
  .transform((value) => Date.parse(value));

const replay = z.strictObject({
  draft: z
    .strictObject({
      policies: z.array(z.string().max(DOCUMENT_CHARACTERS)).max(2_000).default([]),
      remove: z.array(objectName).max(10_000).default([]),
    })
    .optional(),
  from: time,
  to: time.optional(),
  after: z.string().min(1).max(512).optional(),
});

const DRAFT_BYTES = 1_048_576;
export const replayPolicies: RouteOf<'replayPolicies'> = {
  body: { maxBytes: DRAFT_BYTES },
  read: ({ body }) => {
    const { draft, ...rest } = parseInput(replay, body?.value);
    return async ({ parts, call, caller }) => {
      const policies = draft && (await parseTexts(draft.policies, (at) => `/draft/policies/${at}`));
      const parsed = policies && { ...draft, policies };
      const asked = { ...rest, draft: parsed };
      return { status: 200, body: replayJson(await replayDecisions(parts, call, caller, asked)) };
    };
  },
};

function replayJson({
  items,
  grants,
  skipped,
  widened,
  entries,
  next,
  ...times
}: ReplayPage): Shape<'PolicyReplay'> {
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
