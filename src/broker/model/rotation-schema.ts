import * as z from 'zod';
import { DAYS } from '../../domain/policy/access-policy.ts';
import type { RotationSpec } from '../../domain/rotation/rotation-spec.ts';
import { parseTimeOfDay, type TimeWindow } from '../../domain/time/time-window.ts';
import { openTimeZone, type TimeZone } from '../../domain/time/time-zone.ts';
import { duration, name, positive, text } from './fields.ts';

const MINUTE = 60;
const MAX_WINDOWS = 16;
const MAX_CRON = 256;

const timeZone = text
  .refine(
    (value) => openTimeZone(value) !== undefined,
    'must be a time zone such as Europe/Berlin or UTC',
  )
  .meta({ id: 'TimeZone' });
const clockTime = text.meta({ id: 'TimeOfDay' });
const timeOfDay = (isEnd: boolean): z.ZodType<string> =>
  clockTime.refine(
    (value) => parseTimeOfDay(value, isEnd) !== undefined,
    'must be a time of day such as 02:30',
  );

const schedule = z.union(
  [
    z.strictObject({ cron: z.string().min(1).max(MAX_CRON), timeZone: timeZone.default('UTC') }),
    z.strictObject({
      every: positive.refine((seconds) => seconds >= MINUTE, 'must be at least 1m'),
    }),
  ],
  'must be { cron, timeZone } or { every }',
);

/** Schema of a window, in the form of the `timeWindows` of a policy. */
const window = z
  .strictObject({
    days: z
      .array(z.enum(DAYS))
      .min(1)
      .max(DAYS.length)
      .default([...DAYS]),
    from: timeOfDay(false),
    to: timeOfDay(true),
    timeZone,
  })
  .refine(
    ({ from, to }) => from !== to,
    'must not start and end at the same time; a whole day is 00:00 to 24:00',
  )
  .transform((value): TimeWindow => ({
    days: new Set(value.days.map((day) => DAYS.indexOf(day))),
    fromMinute: parseTimeOfDay(value.from, false) ?? 0,
    toMinute: parseTimeOfDay(value.to, true) ?? 0,
    zone: openTimeZone(value.timeZone) as TimeZone,
  }));

const canary = z
  .strictObject({ share: z.int().min(1).max(99).default(25), soak: positive.default(300) })
  .transform(({ share, soak }) => ({ sharePercent: share, soakSeconds: soak }));

/** The `rotation` part of a definition. The connection checks strategy and options later, with the references. */
export const rotation = z
  .strictObject({
    connection: name.optional(),
    strategy: name.default('generated'),
    options: z
      .record(z.string(), z.unknown())
      .default({})
      .describe('Settings of the strategy; each has a page in docs/rotators.'),
    schedule: schedule.optional(),
    windows: z.array(window).max(MAX_WINDOWS).default([]),
    jitter: duration.default(0),
    atMostEvery: positive
      .refine((seconds) => seconds >= MINUTE, 'must be at least 1m')
      .default(MINUTE),
    paused: z.boolean().default(false),
    retire: z.enum(['afterAcks', 'afterGrace', 'manual']).default('afterAcks'),
    grace: positive.default(86_400),
    canary: canary.optional(),
    drill: z
      .strictObject({
        every: positive.refine((seconds) => seconds >= MINUTE, 'must be at least 1m'),
      })
      .optional(),
    takeover: z
      .literal('confirmed')
      .optional()
      .describe(
        'An admin confirms that the accounts of the target belong to this path. Without it the first rotation needs the current credential of the account as the stored value.',
      ),
  })
  .transform((value): RotationSpec => ({
    strategy: value.strategy,
    options: value.options,
    windows: value.windows,
    jitterSeconds: value.jitter,
    atMostEverySeconds: value.atMostEvery,
    paused: value.paused,
    retire: value.retire,
    graceSeconds: value.grace,
    ...(value.connection === undefined ? {} : { connection: value.connection }),
    ...(value.schedule === undefined ? {} : { schedule: scheduleOf(value.schedule) }),
    ...(value.canary === undefined ? {} : { canary: value.canary }),
    ...(value.takeover === undefined ? {} : { takeover: value.takeover }),
    ...(value.drill === undefined ? {} : { drillEverySeconds: value.drill.every }),
  }))
  .meta({
    id: 'RotationSpec',
    description: 'How the broker rotates the credential at the path; docs/rotation.md.',
  });

function scheduleOf(given: z.output<typeof schedule>): NonNullable<RotationSpec['schedule']> {
  return 'cron' in given ? given : { everySeconds: given.every };
}
