import { randomId } from '../../crypto/random/random.ts';
import { BrokerError } from '../../domain/errors.ts';
import { DEVICE_LOGINS } from '../../ports/queries.ts';
import type { PlanFragment } from '../../ports/store.ts';
import type { Access, People, Recording } from '../state/dependencies.ts';

/**
 * Device logins that may wait for their persons at one issuer, in all and from one network. Anybody may begin one. They are counted one after the other, so
 * that each further broker can exceed a bound by one.
 */
const MOST = { ofAll: 128, ofNetwork: 16 };
const RETRY_SECONDS = 60;
/** RFC 8628 §3.5: `slow_down` makes the interval longer by this time, for the rest of the login. */
const SLOWER_MS = 5_000;
const LONGEST_SLOWER_MS = 60_000;

type Parts = Pick<Recording, 'store'> & Pick<Access, 'clock'> & People;

export interface DeviceLogin {
  readonly issuer: string;
  readonly network: string;
  readonly until: number;
}

/** Keeps a place for a device login until it ends. All brokers of a store share the places. @returns its id @throws ERR_BUSY */
export async function takePlace(
  { store, clock, people }: Parts,
  { issuer, network, until }: DeviceLogin,
): Promise<string> {
  return people.deviceTurns.run(issuer, async () => {
    const now = clock.now();
    const own = await store.count(DEVICE_LOGINS.waitingOf(issuer, network, now));
    if (own >= MOST.ofNetwork) throw busy(issuer, own, ' from your network');
    const all = await store.count(DEVICE_LOGINS.waiting(issuer, now));
    if (all >= MOST.ofAll) throw busy(issuer, all, '');
    const id = randomId('dvl');
    const put = { id, issuer, network, due_at: now, slower_ms: 0, ends_at: until };
    await store.commit({ writes: [{ table: 'device_logins', put }] });
    return id;
  });
}

/**
 * Reports whether the issuer may be asked now, and counts the poll. Anybody may poll, so the brokers keep the interval of the issuer themselves.
 * @throws ERR_TOKEN_INVALID for a login without a place: it is over
 */
export async function admitPoll(
  { store, clock }: Pick<Parts, 'store' | 'clock'>,
  id: string,
  intervalSeconds: number,
): Promise<boolean> {
  const row = await store.get('device_logins', { id });
  if (row === undefined) {
    throw new BrokerError('ERR_TOKEN_INVALID', undefined, { reason: 'login_finished' });
  }
  const now = clock.now();
  if (now < row.due_at) return false;
  const due_at = now + intervalSeconds * 1000 + row.slower_ms;
  const { status } = await store.commit({
    expect: [{ table: 'device_logins', key: { id }, match: { due_at: row.due_at } }],
    writes: [{ table: 'device_logins', put: { ...row, due_at } }],
  });
  return status === 'committed';
}

/** The issuer wants longer intervals. */
export async function slowDown({ store }: Pick<Parts, 'store'>, id: string): Promise<void> {
  const row = await store.get('device_logins', { id });
  if (row === undefined) return;
  const slower_ms = Math.min(row.slower_ms + SLOWER_MS, LONGEST_SLOWER_MS);
  const put = { ...row, slower_ms, due_at: row.due_at + SLOWER_MS };
  await store.commit({
    expect: [{ table: 'device_logins', key: { id }, match: { due_at: row.due_at } }],
    writes: [{ table: 'device_logins', put }],
  });
}

/** Frees the place of a login that is over. */
export function freed(id: string): Pick<PlanFragment, 'writes'> {
  return { writes: [{ table: 'device_logins', remove: { id } }] };
}

function busy(issuer: string, count: number, where: string): BrokerError {
  const detail = `${count} device logins${where} wait for their persons at the issuer "${issuer}": finish one, or wait until one expires after ten minutes at most`;
  return new BrokerError('ERR_BUSY', detail, {
    reason: 'device_logins',
    retryAfterSeconds: RETRY_SECONDS,
  });
}
