import { randomId } from '../../crypto/random/random.ts';
import { BrokerError } from '../../domain/errors.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Expectation } from '../../ports/store.ts';
import type { OpenedStore } from '../../store/index.ts';
import { schemaDiffers } from '../log/audit-trail.ts';

const NAME = 'initialise';
/** Duration of the claim, longer than any initialisation takes. The claim of a killed initialisation expires after this time. */
const HOLD_MS = 120_000;
/** Clocks of two machines may differ by less than this. */
const CLOCK_DIFFERENCE_MS = 30_000;

/**
 * Runs the initialisation of a store in only one process at a time.
 * @throws ERR_HELD if the schema differs from the migrations.
 * @throws ERR_CONFIG_INVALID if every role of the server may connect to a new store's database.
 * @throws ERR_CONFLICT if another initialisation is in progress, or has completed since this process opened the store.
 */
export async function initialiseAlone<T>(
  store: OpenedStore,
  clock: Clock,
  work: () => Promise<T>,
): Promise<T> {
  const { differences, isNew, revokeConnect } = store.condition;
  if (differences.length > 0) throw schemaDiffers(differences);
  if (isNew && revokeConnect !== undefined) throw openToAllRoles(revokeConnect);
  const owner = await claim(store, clock);
  try {
    const isMade = (await store.get('meta', { key: 'installation' })) !== undefined;
    if (isNew && isMade) throw new BrokerError('ERR_CONFLICT', MADE);
    return await work();
  } finally {
    // The installation exists in any case, and the claim expires by itself.
    await store
      .commit({ writes: [{ table: 'claims', remove: { name: NAME, owner } }] })
      .catch(() => undefined);
  }
}

const MADE =
  'the store is initialised already, by another "quaymaster init" at the same time: use the token that it wrote';

async function claim(store: OpenedStore, clock: Clock): Promise<string> {
  const row = await store.get('claims', { name: NAME });
  // The time of the read or later: by an earlier time, a claim that another process made meanwhile would seem forged.
  const now = clock.now();
  // There are no keys for a MAC yet. A claim that expires later than any new one is forged, to lock operators out, so it does not count.
  if (row !== undefined && row.until > now && row.until <= now + HOLD_MS + CLOCK_DIFFERENCE_MS)
    throw inProgress(row.until);
  const owner = randomId('init');
  const until = now + HOLD_MS;
  const expected: Expectation =
    row === undefined
      ? { table: 'claims', key: { name: NAME }, absent: true }
      : { table: 'claims', key: { name: NAME }, match: { owner: row.owner } };
  const { status } = await store.commit({
    expect: [expected],
    writes: [{ table: 'claims', put: { name: NAME, owner, epoch: 1, until, mac: null } }],
  });
  if (status !== 'committed') throw inProgress(until);
  return owner;
}

function inProgress(until: number): BrokerError {
  const time = new Date(until).toISOString();
  return new BrokerError(
    'ERR_CONFLICT',
    `another "quaymaster init" initialises the store: wait for its end (if it was killed, until ${time})`,
  );
}

function openToAllRoles(revokeConnect: string): BrokerError {
  return new BrokerError(
    'ERR_CONFIG_INVALID',
    `every role of the PostgreSQL server may connect to the store's database and use up its connections: run ${revokeConnect} as the owner of the database, then run init again`,
  );
}
