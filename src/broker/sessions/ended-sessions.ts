import type { Write } from '../../ports/store.ts';
import type { Parts } from '../parts.ts';

/**
 * Removes sessions before their time. What is left of each says until when a copy of its row must be refused: a session ends no later than the
 * longest session from now.
 */
export function removeSessions(
  { clock, limits }: Pick<Parts, 'clock' | 'limits'>,
  ids: readonly string[],
): readonly Write[] {
  const ends_at = clock.now() + limits.maxSessionSeconds * 1000;
  return ids.flatMap((id): readonly Write[] => [
    { table: 'sessions', remove: { id } },
    { table: 'ended_sessions', put: { id, ends_at, mac: null } },
  ]);
}
