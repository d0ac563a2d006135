import { NotificationSink } from '../../audit/sinks/notification-sink.ts';
import { BrokerError } from '../../domain/errors.ts';
import type { Clock } from '../../ports/clock.ts';
import { loadConfig } from '../config/load.ts';

/**
 * Sends one test event to the receivers of a configuration, or to one of them. The broker need not run, and its log gets no entry. @throws ERR_CONFIG_INVALID if
 * there is no receiver; an error with all results if one does not accept
 */
export async function runTestNotifications(
  { config: path, receiver }: { readonly config: string; readonly receiver?: string | undefined },
  clock: Pick<Clock, 'after' | 'now'>,
): Promise<string> {
  const { notifications, audit } = await loadConfig(path);
  const names = Object.keys(notifications);
  const chosen = Object.entries(notifications).filter(
    ([name]) => receiver === undefined || name === receiver,
  );
  if (chosen.length === 0) {
    const why =
      receiver === undefined
        ? `${path} has no receiver in "notifications"`
        : `${path} has no receiver "${receiver}"; receivers: ${names.join(', ')}`;
    throw new BrokerError('ERR_CONFIG_INVALID', why);
  }
  const results = await Promise.all(
    chosen.map(async ([name, target]) => {
      const sink = new NotificationSink(name, target, clock);
      const problem = await sink.sendTest(audit.origin).then(
        () => undefined,
        (error: unknown) => (error as Error).message,
      );
      await sink.close();
      return { problem, line: `${name}: ${problem ?? 'accepted a test notification'}` };
    }),
  );
  const text = results.map(({ line }) => line).join('\n');
  if (results.some(({ problem }) => problem !== undefined))
    throw new BrokerError('ERR_PROVIDER_FAILED', text);
  return text;
}
