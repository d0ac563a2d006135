import * as z from 'zod';
import { followChanges as followAll } from '../../broker/events/follow-changes.ts';
import { followEvents as follow } from '../../broker/events/follow-events.ts';
import { EVENT_STREAM_HEAD } from '../answer/event-answer.ts';
import { parseParameter } from '../request/parse-input.ts';
import type { RouteOf } from '../request/route.ts';

/** The id of an event: the sequence number of a change. */
const lastEventId = z
  .string()
  .regex(/^(0|[1-9][0-9]{0,15})$/, 'Last-Event-ID is the id of an event of this stream')
  .transform(Number)
  .optional();

export const followEvents: RouteOf<'followEvents'> = {
  read: ({ headers }) => {
    const since = parseParameter(lastEventId, headers['last-event-id']);
    return async ({ parts, call, caller }) => ({
      status: 200,
      headers: EVENT_STREAM_HEAD,
      feed: await follow(parts, call, caller, since),
    });
  },
};

export const followChanges: RouteOf<'followChanges'> = {
  read:
    () =>
    async ({ parts, call, caller }) => ({
      status: 200,
      headers: EVENT_STREAM_HEAD,
      feed: await followAll(parts, call, caller),
    }),
};
