import type { Notification, Severity } from './notification.ts';

/** Neighbouring entries of the log, of which people are notified together. */
export interface NotificationBatch {
  /** The origin of the log: an index names an entry only within it. */
  readonly origin: string;
  readonly notifications: readonly Notification[];
}

/** Lines of one message; the others are counted. */
const MOST_LINES = 20;

/** The body of internals/spec/notification-v1.md. */
export function signedBody({ origin, notifications }: NotificationBatch): string {
  return JSON.stringify({ version: 1, origin, events: notifications });
}

/** A message for an incoming webhook of Slack. */
export function slackBody({ notifications }: NotificationBatch): string {
  const lines = notifications
    .slice(0, MOST_LINES)
    .map(({ severity, summary, index }) => `${MARKS[severity]} ${escaped(summary)} [${index}]`);
  const more = notifications.length - lines.length;
  const rest = more === 0 ? [] : [`and ${more} more: quaymaster alert ls`];
  return JSON.stringify({ text: [...lines, ...rest].join('\n') });
}

const MARKS: Readonly<Record<Severity, string>> = {
  critical: ':rotating_light:',
  warning: ':warning:',
  info: ':white_check_mark:',
};

/** Escapes a text, so that the name of a rule cannot mention a channel or show a forged link. */
function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

/**
 * Events for the Events API v2 of PagerDuty: one for each kind and subject, so that a flood is one incident there. An incident that an operator opened about a
 * node has an entry for each pod, and is one incident there too.
 */
export function pagerdutyBodies(
  { origin, notifications }: NotificationBatch,
  routingKey: string,
): readonly string[] {
  const groups = Map.groupBy(
    notifications,
    ({ event, subject, source, alert }) =>
      `${origin} ${event} ${(event === 'incident' ? alert : undefined) ?? subject ?? source ?? ''}`,
  );
  return [...groups].map(([key, [first, ...more]]) => {
    const payload = first && {
      summary: first.summary,
      severity: first.severity,
      timestamp: first.time,
      source: origin,
      component: 'quaymaster',
      class: first.event,
      custom_details: { ...first, count: more.length + 1 },
    };
    const dedup_key = key.slice(0, 255);
    return JSON.stringify({ routing_key: routingKey, event_action: 'trigger', dedup_key, payload });
  });
}
