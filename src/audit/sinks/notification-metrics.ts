import type { Metric } from '../../ports/metrics.ts';
import type { Notifications, NotifierStatus } from './notifications.ts';

/** Metrics of the receivers of notifications. */
export function notificationMetrics(log: {
  readonly notifications: Pick<Notifications, 'status'>;
}): readonly Metric[] {
  const each = (
    value: (status: NotifierStatus) => number,
  ): readonly (readonly [{ readonly receiver: string }, number])[] =>
    log.notifications.status().map((status) => [{ receiver: status.name }, value(status)]);
  return [
    {
      name: 'quaymaster_notifications_total',
      help: 'Notifications that a receiver accepted from this process',
      labels: ['receiver'],
      values: () => each(({ delivered }) => delivered),
    },
    {
      name: 'quaymaster_notifications_undelivered',
      help: 'Notifications that a receiver has not accepted; at least this many while it fails',
      labels: ['receiver'],
      values: () => each(({ undelivered }) => undelivered),
    },
    {
      name: 'quaymaster_notifications_failing',
      help: '1 while the last attempt to notify a receiver failed',
      labels: ['receiver'],
      values: () => each(({ isFailing }) => (isFailing ? 1 : 0)),
    },
  ];
}
