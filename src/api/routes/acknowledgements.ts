import * as z from 'zod';
import { acknowledgeVersions } from '../../rotation/acknowledge.ts';
import { identityOf } from '../../broker/access/call.ts';
import { BrokerError } from '../../domain/errors.ts';
import { problemOf } from '../answer/error-answer.ts';
import { secretPath, secretVersion } from '../request/fields.ts';
import { parseInput } from '../request/parse-input.ts';
import type { RouteOf } from '../request/route.ts';
import type { Shape } from '../contract/shapes.ts';

const BODY_BYTES = 65_536;

/** One word instead of free text, because an application's error text may contain the secret. */
const reason = z
  .string()
  .regex(/^[a-z0-9][a-z0-9_.-]{0,63}$/, 'a word of [a-z0-9_.-], 64 characters at most');

const item = z
  .strictObject({
    path: secretPath,
    version: secretVersion,
    outcome: z.enum(['ok', 'failed']).default('ok'),
    reason: reason.optional(),
  })
  .refine(({ outcome, reason: why }) => outcome === 'failed' || why === undefined, {
    path: ['reason'],
    message: 'is for failures',
  });

/** The versions that the holder uses now or cannot use. Each item is decided, recorded and answered separately. */
export const acknowledge: RouteOf<'acknowledge'> = {
  body: { maxBytes: BODY_BYTES },
  read: ({ body, caller, limits, rates }) => {
    const list = z
      .array(item)
      .min(1)
      .max(limits.batchItems)
      .refine((all) => new Set(all.map(({ path }) => path)).size === all.length, {
        message: 'name each path once',
      });
    const acknowledged = parseInput(z.strictObject({ items: list }), body?.value).items;
    if (caller !== undefined) rates.takeFromCaller(caller, acknowledged.length - 1);
    return async ({ parts, call, caller: live }) => {
      const results = await acknowledgeVersions(parts, call, live, acknowledged);
      const identity = identityOf(live);
      const failed = (error: BrokerError): Shape<'Problem'> =>
        problemOf(rates.answered(identity, error), call.requestId);
      const items = results.map((result, index) =>
        result instanceof BrokerError
          ? { path: acknowledged[index]?.path ?? '', error: failed(result) }
          : { path: result.path, version: result.version, endedLeases: result.ended },
      );
      return { status: 200, body: { items } };
    };
  },
};
