import type { Parts } from '../broker/parts.ts';
import { activeRotation } from './active-rotation.ts';

/** A rotation that waits for what holders say is looked at now; nothing happens to one that somebody carries on, or to none. */
export async function lookAtRotation(parts: Parts, path: string): Promise<void> {
  const { store, clock, rotationsDue } = parts;
  const row = await activeRotation(store, path);
  if (row?.state !== 'running' || (row.step !== 'settle' && row.step !== 'canary')) return;
  const { epoch, step, next_attempt_at } = row;
  // What waits for an operator alone goes on waiting, but a complaint of several holders is looked at all the same.
  const { status } = await store.commit({
    expect: [
      {
        table: 'rotations',
        key: { id: row.id },
        match: { owner: null, epoch, step, next_attempt_at },
      },
    ],
    writes: [{ table: 'rotations', key: { id: row.id }, change: { next_attempt_at: clock.now() } }],
  });
  if (status === 'committed') rotationsDue.ring();
}
