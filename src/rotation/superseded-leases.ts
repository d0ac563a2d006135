import type { Parts } from '../broker/parts.ts';
import { endLeases } from '../broker/leases/end-leases.ts';
import { SystemActor } from '../broker/recording/record.ts';
import { openLease } from '../broker/leases/lease-rows.ts';
import { listAll } from '../broker/list-all.ts';
import { facts } from '../broker/leases/expiry.ts';
import type { Lease } from '../domain/lease.ts';
import type { RotationRow } from './rotation-row.ts';
import { newVersions } from './settle.ts';

const CHUNK = 500;

/** Ends the leases on versions older than the one promoted, right before the old credential stops working. */
export async function endSuperseded(parts: Parts, row: RotationRow): Promise<void> {
  const { path } = row;
  const own = newVersions(row);
  const actor = new SystemActor(parts, 'rotation');
  const live = { equals: { path, state: 'live' as const, kind: 'static' as const } };
  const end = async (leases: readonly Lease[]): Promise<void> => {
    if (leases.length === 0) return;
    const { status } = await parts.store.commit({
      ...endLeases(parts, leases, 'superseded'),
      entries: leases.map((lease) =>
        actor.entry({
          action: 'lease.revoke',
          outcome: 'ok',
          ...facts(lease),
          cause: 'superseded',
        }),
      ),
    });
    // One of them was renewed or ended at this moment: the others do not stay for it.
    if (status !== 'committed' && leases.length > 1) for (const lease of leases) await end([lease]);
  };
  let chunk: Lease[] = [];
  for await (const lease of listAll(parts.store, 'leases', live, ({ id }) => ({ id }))) {
    if (!own.has(lease.version)) chunk.push(openLease(lease));
    if (chunk.length < CHUNK) continue;
    await end(chunk);
    chunk = [];
  }
  await end(chunk);
}
