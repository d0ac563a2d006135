import { setImmediate as loopTurn } from 'node:timers/promises';
import { z } from 'zod';
import { BrokerError } from '../../domain/errors.ts';
import { parseJson } from '../body/parse-body.ts';
import { replayDecisions, type ReplayPage } from '../../broker/decisions/replay.ts';
import { instant } from '../../domain/instant.ts';
import { objectName } from '../fields.ts';
import { parseInput } from '../parse-input.ts';
import type { RouteOf } from '../route.ts';

const time = z.iso
  .datetime({ offset: true, error: 'must be a time such as 2026-01-05T10:00:00Z' })
  .transform((value) => Date.parse(value));

/** As for a policy that is saved. */
const DOCUMENT_CHARACTERS = 65_536;

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
/** Documents that are parsed before other requests are answered: about 2 ms. */
const SLICE = 50;

/**
 * Each policy of a draft is a text of its own: it is parsed within the bounds of one document, and other requests are answered in between. As parts of
 * one body they would be parsed at once.
 */
export const replayPolicies: RouteOf<'replayPolicies'> = {
  body: { maxBytes: DRAFT_BYTES },
  read: ({ body }) => {
    const { draft, ...rest } = parseInput(replay, body?.value);
    return async ({ parts, call, caller }) => {
      const parsed = draft && { ...draft, policies: await parsePolicies(draft.policies) };
      const asked = { ...rest, draft: parsed };
      return { status: 200, body: shownPage(await replayDecisions(parts, call, caller, asked)) };
    };
  },
};

async function parsePolicies(texts: readonly string[]): Promise<readonly unknown[]> {
  const values: unknown[] = [];
  for (const [at, text] of texts.entries()) {
    values.push(parsePolicyText(text, at));
    if (at % SLICE === SLICE - 1) await loopTurn();
  }
  return values;
}

/** @throws ERR_BODY_INVALID with the place of the text in the draft */
function parsePolicyText(text: string, at: number): unknown {
  try {
    return parseJson(text).value;
  } catch (error) {
    const { code, detail, reason = 'malformed' } = BrokerError.from(error);
    const pointer = `/draft/policies/${at}`;
    const problems = [{ pointer, message: detail ?? 'is not JSON' }];
    throw new BrokerError(code, undefined, { reason, problems });
  }
}

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
