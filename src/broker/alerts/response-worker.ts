import { openAlert, alertRow, type AlertRecord, type ExposedSecret } from './alert-record.ts';
import { HOUR_MS } from './alert-tallies.ts';
import { exposureOf } from './exposure.ts';
import { DECOY, factsOfAlert, quarantineEvents } from './receive-alerts.ts';
import { creatorOf, exceedsLimits, limitFence, quarantinesOf } from './respond.ts';
import type { Alerting } from './alerting.ts';
import type { Access, Backends, Bounds, Recording, Work } from '../state/dependencies.ts';
import { commitDecided, SystemActor, type Attempt } from '../recording/record.ts';
import { endSelected, NOTHING_ENDED, systemEnding, type Ended } from '../sessions/end-selected.ts';
import { isLastAdmin, selectorOf } from '../sessions/quarantines.ts';
import type { Streams } from '../state/event-streams.ts';
import { Worker } from '../kernel/worker.ts';
import { sha256Hex } from '../../crypto/hashes/digest.ts';
import { BrokerError } from '../../domain/errors.ts';
import type { AuditLog, PendingEntries } from '../../ports/audit-log.ts';
import { ALERTS } from '../../ports/queries.ts';
import { expedite } from '../rotations/request-rotation.ts';
import { rotationTargetRef } from '../rotations/rotation-target-ref.ts';
import { startRotation } from '../rotations/rotation-lifecycle.ts';

type Parts = Recording &
  Access &
  Alerting &
  Backends &
  Streams &
  Pick<Bounds, 'limits'> &
  Pick<Work, 'rotationsDue'> & { readonly audit: AuditLog };

const EVERY_MS = 500;
/** Responses that one round continues. */
const AT_ONCE = 20;
/** The log lags the last commit by a second, and by some more after a crash. Damage can keep it from growing at all. */
const LONGEST_LAG_MS = 120_000;
/** Limit of alerts; above it, the oldest are deleted. Their entries stay in the log. */
const MOST_ALERTS = 10_000;
const KEPT_MS = 30 * 86_400_000;
const PRUNED_AT_ONCE = 500;

/**
 * Continues responses: puts the reader of a decoy into quarantine, ends sessions and leases, finds the secrets that were read,
 * and rotates them. Every step can be repeated, so a response continues after a crash, and two replicas may work on the same one.
 */
export function responseWorker(parts: Parts): Worker {
  let turn = 0;
  const lags = new Map<string, Lag>();
  return new Worker('responses', EVERY_MS, parts, async () => {
    const rows = await parts.store.list(ALERTS.inState('responding'), { limit: AT_ONCE });
    for (const id of lags.keys()) if (rows.every((row) => row.id !== id)) lags.delete(id);
    for (const row of rows) {
      const record = openAlert(row);
      await advance(parts, lags, record).catch((error: unknown) =>
        parts.log.error({ err: error, alert: record.id }, 'a response failed; it continues later'),
      );
    }
    turn += 1;
    if (turn % 20 === 0) await prune(parts);
  });
}

/** Entries that the log did not have yet when the broker had ended the sessions and leases of the scope. */
interface Lag {
  readonly entries: readonly PendingEntries[];
  /** Monotonic milliseconds. */
  readonly since: number;
}

async function advance(parts: Parts, lags: Map<string, Lag>, found: AlertRecord): Promise<void> {
  const actor = new SystemActor(parts, creatorOf(found.source));
  const contained = await contain(parts, actor, found);
  if (contained === undefined) return;
  const ended = contained.ended ?? (await endAll(parts, actor, contained));
  const cut =
    contained.ended === undefined ? await saveRecord(parts, contained, { ended }) : contained;
  if (cut === undefined) return;
  if (cut.exposed === undefined && (await isBehind(parts, lags, cut.id))) return;
  await replaceExposed(parts, actor, cut);
}

/**
 * Reports whether the log still lacks an entry that was committed when the response first asked: a read among them would not be
 * rotated. After a crash the first entries of the new process can be in the log before the last ones of the old process, so the
 * log's newest entry does not tell.
 */
async function isBehind(
  { audit, clock, log }: Parts,
  lags: Map<string, Lag>,
  alert: string,
): Promise<boolean> {
  const pending = await audit.pending();
  const now = clock.monotonic();
  const lag = lags.get(alert) ?? { entries: pending, since: now };
  lags.set(alert, lag);
  const missing = lag.entries.filter(({ writer, end }) =>
    pending.some((each) => each.writer === writer && each.first < end),
  );
  if (missing.length === 0) return false;
  if (now < lag.since + LONGEST_LAG_MS) return true;
  log.error(
    { alert, writers: missing.map(({ writer }) => writer) },
    'the audit log has lacked committed entries of these writers for two minutes: the response continues, and rotates nothing that was read in them; run quaymaster doctor',
  );
  return false;
}

/** Finds the secrets that the scope read, and rotates them if the response demands it. */
async function replaceExposed(parts: Parts, actor: SystemActor, cut: AlertRecord): Promise<void> {
  const exposed = cut.exposed ?? (await findExposed(parts, cut));
  const rotated =
    cut.response.rotate === 'read' ? await rotateAll(parts, actor, cut, exposed) : exposed;
  const isDone = rotated.every(({ unrotated }) => unrotated !== 'braked');
  const changes = { exposed: rotated, ...(isDone && { state: 'done' as const }) };
  if (!isDone && JSON.stringify(cut.exposed) === JSON.stringify(rotated)) return;
  const facts = factsOfAlert(cut);
  const entry = { ...facts, cause: cut.response.action, count: rotated.length } as const;
  await saveRecord(
    parts,
    cut,
    changes,
    isDone ? [actor.entry({ action: 'alert.respond', outcome: 'ok', ...entry })] : [],
  );
}

/**
 * Contains the subject. The read of a decoy has no quarantine yet, and the limits were not applied: the answer must not take
 * longer than for another secret. Every other response began with its quarantines. Undefined if the response waits for an
 * operator now, or protects the last admin.
 */
async function contain(
  parts: Parts,
  actor: SystemActor,
  record: AlertRecord,
): Promise<AlertRecord | undefined> {
  const { source, operator, quarantines, ended, scopes } = record;
  const isNew = quarantines.length === 0 && ended === undefined && operator === undefined;
  if (source !== DECOY || !isNew) return record;
  const [scope] = scopes;
  if (scope?.kind === 'operator' && isLastAdmin(parts, scope.subject)) {
    await saveRecord(parts, record, { state: 'kept', held: 'protected' });
    return undefined;
  }
  return commitDecided(parts, async (decidedAt): Promise<Attempt<AlertRecord | undefined>> => {
    const isOver = await exceedsLimits(parts, record);
    const held = { ...record, state: 'pending', held: 'over_limit' } as const;
    const { ids, ...plan } = quarantinesOf(parts, isOver ? { ...record, scopes: [] } : record);
    const made = isOver ? held : { ...record, quarantines: ids };
    const fence = limitFence(source);
    return {
      plan: {
        decidedAt,
        reads: [fence],
        expect: [...plan.expect, unchanged(record)],
        writes: [...plan.writes, { table: 'alerts', put: alertRow(made) }],
        invalidates: [...plan.invalidates, ...(isOver ? [] : [fence])],
        urgent: true,
        entries: quarantineEvents(made).map((event) => actor.entry(event)),
      },
      settle: () => {
        if (!isOver) parts.alertTallies.done(`revoke ${source}`);
        return isOver ? undefined : made;
      },
    };
  });
}

async function endAll(parts: Parts, actor: SystemActor, record: AlertRecord): Promise<Ended> {
  const { action } = record.response;
  const cause = action === 'quarantine' ? 'quarantined' : 'alert';
  const endings = [NOTHING_ENDED];
  for (const scope of record.scopes) {
    const selector = selectorOf(scope);
    if (selector === undefined) continue;
    endings.push(await endSelected(systemEnding(parts, actor, cause), selector));
  }
  return endings.reduce((sum, each) => ({
    sessions: sum.sessions + each.sessions,
    revoked: sum.revoked + each.revoked,
    revoking: sum.revoking + each.revoking,
    streams: sum.streams + each.streams,
  }));
}

async function findExposed(
  parts: Parts,
  { scopes, receivedAt }: AlertRecord,
): Promise<readonly ExposedSecret[]> {
  const { everRead } = await exposureOf(parts, scopes, receivedAt);
  return everRead.map(({ path, versions }) => ({ path, versions }));
}

async function rotateAll(
  parts: Parts,
  actor: SystemActor,
  record: AlertRecord,
  exposed: readonly ExposedSecret[],
): Promise<readonly ExposedSecret[]> {
  const rotated: ExposedSecret[] = [];
  for (const secret of exposed) {
    const { path, versions, rotation, unrotated } = secret;
    const isSettled = rotation !== undefined || unrotated === 'not_rotating';
    rotated.push(
      isSettled ? secret : { path, versions, ...(await rotate(parts, actor, record, path)) },
    );
  }
  return rotated;
}

/** One rotation for each response and path, without waiting for holders. */
async function rotate(
  parts: Parts,
  actor: SystemActor,
  { id: alert, source, alert: { rule } }: AlertRecord,
  path: string,
): Promise<Pick<ExposedSecret, 'rotation' | 'unrotated'>> {
  const id = `rot_${sha256Hex(JSON.stringify([alert, path])).slice(0, 32)}`;
  if ((await parts.store.get('rotations', { id })) !== undefined) return { rotation: id };
  const place = placeOf(parts, path);
  const schedule = await parts.store.get('rotation_schedules', { path });
  if (place === undefined || schedule === undefined) return { unrotated: 'not_rotating' };
  if (schedule.active_id !== null) {
    await expedite(parts, schedule.active_id);
    return { unrotated: 'braked' };
  }
  const { alertTallies, alertSources } = parts;
  // A source that an attacker controls could make the broker rotate everything.
  const recent = alertTallies.recent('rotation', HOUR_MS);
  if (source !== 'operator' && recent >= alertSources.maxRotations) return { unrotated: 'braked' };
  const comment = `${source}: ${rule} (${alert})`;
  const requestedBy = creatorOf(source);
  const reason = { kind: 'rotation', cause: 'incident', comment, requestedBy, id } as const;
  const { expect, writes, invalidates } = startRotation(parts, place, schedule, { reason });
  const event = { path, rotation: id, cause: 'incident', comment } as const;
  const entries = [actor.entry({ action: 'rotation.request', outcome: 'ok', ...event })];
  const { status } = await parts.store.commit({ expect, writes, invalidates, entries });
  if (status !== 'committed') return { unrotated: 'braked' };
  alertTallies.done('rotation');
  parts.rotationsDue.ring();
  return { rotation: id };
}

function placeOf(parts: Parts, path: string): ReturnType<typeof rotationTargetRef> | undefined {
  try {
    return rotationTargetRef(parts, path);
  } catch (error) {
    if (error instanceof BrokerError && error.code === 'ERR_CONFLICT') return undefined;
    throw error;
  }
}

/** Saves the progress; undefined if another process continued the response meanwhile. */
async function saveRecord(
  { store }: Parts,
  record: AlertRecord,
  changes: Partial<AlertRecord>,
  entries: readonly string[] = [],
): Promise<AlertRecord | undefined> {
  const next = { ...record, ...changes };
  const { status } = await store.commit({
    expect: [unchanged(record)],
    writes: [{ table: 'alerts', put: alertRow(next) }],
    entries,
  });
  return status === 'committed' ? next : undefined;
}

function unchanged(record: AlertRecord): {
  readonly table: 'alerts';
  readonly key: { readonly id: string };
  readonly match: { readonly body: string };
} {
  const { id, body } = alertRow(record);
  return { table: 'alerts', key: { id }, match: { body } };
}

/** Deletes the oldest alerts, but none that an operator or the broker has to work on. */
async function prune(parts: Parts): Promise<void> {
  const { store, clock } = parts;
  const excess = (await store.count(ALERTS.newest())) - MOST_ALERTS;
  const old = await store.list(ALERTS.before(clock.now() - KEPT_MS), { limit: PRUNED_AT_ONCE });
  const most = Math.min(excess, PRUNED_AT_ONCE);
  const many = most > 0 ? await store.list(ALERTS.before(clock.now()), { limit: most }) : [];
  const ids = new Set(
    [...old, ...many]
      .filter(({ state }) => state !== 'pending' && state !== 'responding')
      .map(({ id }) => id),
  );
  if (ids.size === 0) return;
  await store.commit({ writes: [...ids].map((id) => ({ table: 'alerts', remove: { id } })) });
}
