import type { Parts } from '../broker/parts.ts';
import { CLAIM_MS } from './rotation-claim.ts';
import type { RotationRow } from './rotation-row.ts';

const PAGE = 200;

type Places = Pick<Parts, 'store' | 'clock' | 'targets'>;

/**
 * Whether more rotations of a connection than its cap are carried on, by whatever process: found by the index of due times, since a claim is one. Who
 * claims looks before and again after its claim is committed, and lets go where it says so. Of all that go on, the last to commit saw the others,
 * so together they are within the cap, whoever claims at the same moment.
 */
export async function isOverCap(
  { store, clock, targets }: Places,
  { id, connection }: Pick<RotationRow, 'id' | 'connection'>,
): Promise<boolean> {
  const now = clock.now();
  const most = targets.concurrency(connection);
  let others = 0;
  let after: Partial<RotationRow> | undefined;
  for (;;) {
    const rows: readonly RotationRow[] = await store.list('rotations', {
      equals: { connection },
      from: { next_attempt_at: now },
      // Clocks of processes differ; what is due later than this is no claim.
      upTo: { next_attempt_at: now + 2 * CLAIM_MS },
      orderBy: ['next_attempt_at'],
      limit: PAGE,
      ...(after === undefined ? {} : { after }),
    });
    others += rows.filter((row) => row.id !== id && row.owner !== null).length;
    if (others >= most) return true;
    const last = rows.at(-1);
    if (last === undefined || rows.length < PAGE) return false;
    after = { next_attempt_at: last.next_attempt_at, id: last.id };
  }
}
