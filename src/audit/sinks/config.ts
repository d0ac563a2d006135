import * as z from 'zod';
import { isName } from '../../domain/words/names.ts';
import { NOTIFICATION_EVENTS } from '../../domain/notifications/notification.ts';
import { address } from '../base/config.ts';

const file = z.string().min(1).max(4_096);

const common = {
  /** Events to send; all of them if absent. */
  events: z
    .array(z.enum(NOTIFICATION_EVENTS))
    .min(1)
    .default([...NOTIFICATION_EVENTS]),
  /** Certificate authorities that are trusted for the receiver, instead of Node's root certificates. */
  caFile: file.optional(),
};

const target = z.discriminatedUnion('format', [
  z.strictObject({
    format: z.literal('quaymaster'),
    url: address,
    /** A key of at least 32 bytes for the signature of internals/spec/notification-v1.md. */
    secretFile: file,
    ...common,
  }),
  z.strictObject({
    format: z.literal('slack'),
    /** File with the address of the incoming webhook, which is a secret. */
    urlFile: file,
    ...common,
  }),
  z.strictObject({
    format: z.literal('pagerduty'),
    url: address.default('https://events.pagerduty.com/v2/enqueue'),
    routingKeyFile: file,
    ...common,
  }),
]);

/** Receivers of notifications, by a name that metrics and messages show. */
export const notificationsConfigSchema = z
  .record(z.string().refine(isName, 'is not a lower-case name'), target)
  .refine((targets) => Object.keys(targets).length <= 16, 'may be 16 at most')
  .default({});

export type NotificationsConfig = z.output<typeof notificationsConfigSchema>;
export type NotificationTarget = z.output<typeof target>;
