import type { Parts } from '../broker/parts.ts';
import { changed, type RotationRow } from './rotation-row.ts';

/**
 * Whoever directs a rotation takes it from the step that is under way, and waits as long as that claim could have lasted. The one who lost it knows
 * that its effect is over, so that nobody has to wait any more. Where somebody took it over instead, nothing is changed.
 */
export async function handOver(parts: Parts, row: RotationRow): Promise<void> {
  const { id, epoch, claimed_until: until } = row;
  const directed = { epoch: epoch + 1, owner: null, next_attempt_at: until };
  await parts.store.commit({
    expect: [{ table: 'rotations', key: { id }, match: directed }],
    writes: [changed(id, { next_attempt_at: parts.clock.now() })],
  });
  parts.rotationsDue.ring();
}
