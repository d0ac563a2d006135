import type { SinkStatus } from '../../ports/broker-status.ts';
import { LOG } from '../../ports/queries.ts';
import type { RowReader } from '../../ports/store.ts';
import type { Follower } from './follower.ts';
import type { SinkCursors } from './sink-cursor.ts';

interface MeasuredBy {
  /** The entries of the log, and the first of them that is not archived. */
  readonly size: number;
  readonly live: number;
  readonly cursors: Pick<SinkCursors, 'read'>;
  readonly store: RowReader;
}

/**
 * Reads the state of a sink, and since when it is behind: the checkpoints, of which the store keeps one a minute, say when its first missing entry was
 * appended. If another broker delivers to the sink, its cursor in the store says how far it is.
 */
export async function readSinkStatus(
  follower: Pick<Follower, 'name' | 'status'>,
  { size, live, cursors, store }: MeasuredBy,
): Promise<SinkStatus> {
  const { next } = await cursors.read(follower.name, size);
  const missing = Math.max(0, size - Math.max(next, live));
  const { lag = missing, isStopped, isFailing } = follower.status();
  const [checkpoint] =
    lag === 0 ? [] : await store.list(LOG.checkpointsOfSize(size - lag + 1), { limit: 1 });
  return { lag, behindSince: checkpoint?.at, isStopped, isFailing };
}
