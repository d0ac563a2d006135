import { systemEnding, endSelected, isAnythingLeft } from './end-selected.ts';
import type { Access, Bounds, Recording, Storage, Work } from '../state/dependencies.ts';
import { factsOf, removal, selectorOf } from './quarantines.ts';
import { SystemActor } from '../recording/record.ts';
import { Worker } from '../kernel/worker.ts';
import type { Streams } from '../state/event-streams.ts';

const EVERY_MS = 1_000;
/** The request that creates a quarantine also ends its sessions. After this time, it has finished or its process has died. */
const OWN_TIME_MS = 30_000;

/** Removes expired quarantines. It also ends covered sessions that a request left because its process died. */
export function quarantineWorker(
  parts: Recording &
    Streams &
    Pick<Access, 'quarantines'> &
    Pick<Bounds, 'limits'> &
    Pick<Work, 'log'>,
): Worker {
  const actor = new SystemActor(parts, 'quarantines');
  let turn = 0;
  return new Worker('quarantines', EVERY_MS, parts, async () => {
    await expire(parts, actor);
    turn += 1;
    await finish(parts, actor, turn);
  });
}

async function expire(
  parts: Storage & Pick<Access, 'quarantines'>,
  actor: SystemActor,
): Promise<void> {
  const now = parts.clock.now();
  for (const quarantine of parts.quarantines.all()) {
    const { id, endsAt } = quarantine;
    if (endsAt === undefined || endsAt > now) continue;
    const facts = { ...factsOf(quarantine), quarantine: id, cause: 'expired' };
    await parts.store.commit({
      ...removal(quarantine),
      entries: [actor.entry({ action: 'quarantine.lift', outcome: 'ok', ...facts })],
    });
  }
}

/** One quarantine a round, in turn: a thousand quarantines must not cost a thousand queries a second. */
async function finish(
  parts: Streams &
    Pick<Recording, 'clock' | 'state' | 'store'> &
    Pick<Access, 'quarantines'> &
    Pick<Bounds, 'limits'>,
  actor: SystemActor,
  turn: number,
): Promise<void> {
  const settled = parts.clock.now() - OWN_TIME_MS;
  const due = parts.quarantines
    .inForce()
    .filter(({ createdAt, mode }) => createdAt <= settled && mode === undefined);
  const quarantine = due[turn % due.length];
  const selector = quarantine && selectorOf(quarantine);
  if (selector === undefined || !(await isAnythingLeft(parts, selector))) return;
  await endSelected(systemEnding(parts, actor), selector);
}
