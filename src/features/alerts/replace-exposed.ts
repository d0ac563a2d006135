import { sha256Hex } from '../../crypto/hashes/digest.ts';
import { BrokerError } from '../../domain/errors.ts';
import type { AuditLog } from '../../ports/audit-log.ts';
import { ROTATIONS } from '../../ports/queries.ts';
import { commitDecided, SystemActor, type Attempt } from '../../broker/recording/record.ts';
import { expedite } from '../../rotation/request-rotation.ts';
import { startRotation } from '../../rotation/rotation-lifecycle.ts';
import type { RotationRow, ScheduleRow } from '../../rotation/rotation-row.ts';
import { rotationTargetRef } from '../../rotation/rotation-target-ref.ts';
import type { Access, Backends, Recording, Work } from '../../broker/state/dependencies.ts';
import {
  alertAnnounced,
  alertRow,
  creatorOf,
  openAlert,
  unchanged,
  updateAlert,
  type AlertRecord,
  type ExposedSecret,
} from './alert-record.ts';
import type { Alerting } from './alerting.ts';
import { exposureOf } from './exposure.ts';
import { factsOfAlert } from './receive-alerts.ts';
import { ROTATION_BUDGET_MS, rotationsOf } from './response-limits.ts';

type Parts = Recording &
  Access &
  Alerting &
  Backends &
  Pick<Work, 'rotationsDue'> & { readonly audit: AuditLog };

/** A process that works on a response has it for this long. */
const CLAIM_MS = 60_000;
/** A rotation of the path is in progress, which does not wait for its holders any more. */
const BUSY_MS = 2_000;
/** The log could not be read to its beginning. */
const INCOMPLETE_MS = 60_000;
const LONGEST_BRAKE_MS = 600_000;
/** States of a rotation that replaces the value, or did. */
const REPLACING: readonly RotationRow['state'][] = ['running', 'parked', 'done'];

/** The reaction to one secret, and the milliseconds until it is retried. */
interface Reaction {
  readonly secret: Pick<ExposedSecret, 'rotation' | 'unrotated'>;
  readonly wait: number;
}

/**
 * Finds the secrets that the scope of a contained response read, and rotates them if the response demands it. A response whose exposure is not complete is
 * never done: it searches again, until an operator takes it over.
 */
export async function replaceExposed(
  parts: Parts,
  { id, isLogBehind }: Pick<AlertRecord, 'id'> & { readonly isLogBehind: boolean },
): Promise<void> {
  const { clock } = parts;
  const now = clock.now();
  const claimed = await updateContained(parts, id, (current) =>
    (current.nextAttemptAt ?? 0) > now ? undefined : { ...current, nextAttemptAt: now + CLAIM_MS },
  );
  if (claimed === undefined) return;
  const { exposed, ...read } = await exposedBy(parts, claimed);
  const isComplete = read.isComplete && !isLogBehind;
  const exposure: Exposure = { claimed, exposed, held: isComplete ? undefined : 'incomplete' };
  const reactions = new Map<string, Reaction>();
  const waiting = claimed.response.rotate === 'read' ? exposed.filter(isUndecided) : [];
  const found = waiting.length === 0 ? claimed : await saveExposure(parts, exposure);
  if (found === undefined) return;
  let braked: Reaction | undefined;
  for (const secret of waiting) {
    // The budget has no more for the others either.
    const reaction = braked ?? (await rotate(parts, found, secret));
    if (reaction.wait > BUSY_MS) braked = reaction;
    reactions.set(secret.path, reaction);
  }
  await finish(parts, exposure, reactions);
}

interface Exposure extends Pick<AlertRecord, 'held'> {
  readonly claimed: AlertRecord;
  readonly exposed: readonly ExposedSecret[];
}

function isUndecided({ rotation, unrotated }: ExposedSecret): boolean {
  return rotation === undefined && unrotated !== 'not_rotating';
}

/** Saves what was found before the first rotation, which saves its id with the secret. Both are saved together: after a crash the response must not look complete. */
function saveExposure(
  parts: Parts,
  { claimed, exposed, held }: Exposure,
): Promise<AlertRecord | undefined> {
  return updateContained(parts, claimed.id, (current) =>
    isClaimed(current, claimed) ? { ...current, exposed, held } : undefined,
  );
}

/** A later alert that demands more ends the claim: the search begins again. */
function isClaimed(current: AlertRecord, claimed: AlertRecord): boolean {
  return current.nextAttemptAt === claimed.nextAttemptAt;
}

/** Saves the reactions. The response is done if nothing is left to rotate, and its exposure is complete. */
async function finish(
  parts: Parts,
  { claimed, exposed: found, held }: Exposure,
  reactions: ReadonlyMap<string, Reaction>,
): Promise<void> {
  const waits = [...reactions.values()].map(({ wait }) => wait).filter((wait) => wait > 0);
  if (held !== undefined) waits.push(INCOMPLETE_MS);
  const nextAttemptAt = parts.clock.now() + Math.min(...waits);
  await updateContained(
    parts,
    claimed.id,
    (current) => {
      if (!isClaimed(current, claimed)) return undefined;
      const saved = reactions.size === 0 ? found : (current.exposed ?? found);
      const exposed = saved.map((secret) => ({
        ...secret,
        ...reactions.get(secret.path)?.secret,
      }));
      return waits.length === 0
        ? { ...current, exposed, held, state: 'done', nextAttemptAt: undefined }
        : { ...current, exposed, held, nextAttemptAt };
    },
    (done) => {
      if (done.state !== 'done') return [];
      const facts = { ...factsOfAlert(done), cause: done.response.action };
      const count = done.exposed?.length ?? 0;
      const actor = new SystemActor(parts, creatorOf(done.source));
      return [actor.entry({ action: 'alert.respond', outcome: 'ok', ...facts, count })];
    },
  );
}

/**
 * The secrets that the scope read. They are searched once, and again if the search was not complete: what was found before keeps its reaction.
 */
async function exposedBy(
  parts: Parts,
  { scopes, extent, receivedAt, exposed = [], held }: AlertRecord,
): Promise<{ readonly exposed: readonly ExposedSecret[]; readonly isComplete: boolean }> {
  if (exposed.length > 0 && held !== 'incomplete') return { exposed, isComplete: true };
  const { everRead, isComplete } = await exposureOf(parts, { scopes, extent }, receivedAt);
  const known = new Map(exposed.map((secret) => [secret.path, secret]));
  for (const { path, versions, lastAt } of everRead)
    known.set(path, { ...known.get(path), path, versions, lastAt });
  return { exposed: [...known.values()], isComplete };
}

/** One rotation for each response and path, without waiting for holders. A rotation that began after the last read replaces what was read. */
async function rotate(parts: Parts, record: AlertRecord, secret: ExposedSecret): Promise<Reaction> {
  const { path, lastAt } = secret;
  const { store } = parts;
  const id = `rot_${sha256Hex(JSON.stringify([record.id, path])).slice(0, 32)}`;
  if ((await store.get('rotations', { id })) !== undefined) return rotatedBy(id);
  const place = placeOf(parts, path);
  const schedule = await store.get('rotation_schedules', { path });
  if (place === undefined || schedule === undefined)
    return { secret: { unrotated: 'not_rotating' }, wait: 0 };
  const [newest] = await store.list(ROTATIONS.ofPathAndKind(path, 'rotation'), { limit: 1 });
  const isLater = newest !== undefined && lastAt !== undefined && newest.created_at > lastAt;
  if (isLater && REPLACING.includes(newest.state)) {
    if (newest.state === 'running' && newest.cause !== 'incident') await expedite(parts, newest.id);
    return rotatedBy(newest.id);
  }
  if (schedule.active_id !== null) {
    await expedite(parts, schedule.active_id);
    return { secret: { unrotated: 'braked' }, wait: BUSY_MS };
  }
  return start(parts, record, { id, place, schedule });
}

function rotatedBy(rotation: string): Reaction {
  return { secret: { rotation, unrotated: undefined }, wait: 0 };
}

/** Starts a rotation within the budgets. The commit has the rotation and the response that it counts for. */
function start(
  parts: Parts,
  { id: alert }: AlertRecord,
  {
    id,
    place,
    schedule,
  }: {
    readonly id: string;
    readonly place: ReturnType<typeof rotationTargetRef>;
    readonly schedule: ScheduleRow;
  },
): Promise<Reaction> {
  const { path } = schedule;
  return commitDecided(parts, async (decidedAt): Promise<Attempt<Reaction>> => {
    const row = await parts.store.get('alerts', { id: alert });
    const current = row && openAlert(row);
    const wait = current?.state === 'contained' ? await brakeOf(parts, current) : BUSY_MS;
    if (current === undefined || wait > 0)
      return { plan: undefined, settle: () => ({ secret: { unrotated: 'braked' }, wait }) };
    const { source } = current;
    const comment = `${source}: ${current.alert.rule} (${alert})`;
    const requestedBy = creatorOf(source);
    const reason = { kind: 'rotation', cause: 'incident', comment, requestedBy, id } as const;
    const { expect, writes, invalidates } = startRotation(parts, place, schedule, { reason });
    const event = { path, rotation: id, cause: 'incident', comment } as const;
    const actor = new SystemActor(parts, requestedBy);
    const at = parts.clock.now();
    const next: AlertRecord = {
      ...current,
      rotatedAt: at,
      exposed: current.exposed?.map((each) =>
        each.path === path ? { ...each, rotation: id, rotatedAt: at, unrotated: undefined } : each,
      ),
    };
    const fence = `alert-rotations:${source}`;
    return {
      plan: {
        decidedAt,
        reads: [fence],
        expect: [...expect, unchanged(current)],
        writes: [...writes, { table: 'alerts', put: alertRow(next) }],
        invalidates: [...invalidates, fence, ...alertAnnounced(next)],
        entries: [actor.entry({ action: 'rotation.request', outcome: 'ok', ...event })],
      },
      settle: () => {
        parts.rotationsDue.ring();
        return rotatedBy(id);
      },
    };
  }).catch((error: unknown) => {
    // Others changed the path, the response or the budget at the same moment.
    if (error instanceof BrokerError && error.code === 'ERR_BUSY')
      return { secret: { unrotated: 'braked' as const }, wait: BUSY_MS };
    throw error;
  });
}

/**
 * Milliseconds until the response may start a rotation: a source that an attacker controls could make the broker rotate everything. A namespace, and a
 * response, have half of the rotations of the source, so that noise in one of them leaves enough for the others. The store has the counts of all brokers.
 */
async function brakeOf(parts: Parts, record: AlertRecord): Promise<number> {
  const { source, subject } = record;
  // An operator decided on an incident.
  if (source === 'operator') return 0;
  const now = parts.clock.now();
  const started = await rotationsOf(parts, source);
  const most = parts.alertSources.maxRotations;
  const half = Math.ceil(most / 2);
  const waits = [
    waitFor(started, most),
    waitFor(
      started.filter(({ namespace }) => namespace === subject?.namespace),
      half,
    ),
    waitFor(
      started.filter(({ alert }) => alert === record.id),
      half,
    ),
  ].map((until) => until - now);
  const wait = Math.max(...waits);
  return wait <= 0 ? 0 : Math.min(LONGEST_BRAKE_MS, Math.max(wait, 2 * BUSY_MS));
}

/** Time at which the budget has room again: the oldest rotation that still counts is an hour old. */
function waitFor(times: readonly { readonly at: number }[], most: number): number {
  if (times.length < most) return 0;
  const sorted = times.map(({ at }) => at).sort((a, b) => a - b);
  return (sorted[times.length - most] ?? 0) + ROTATION_BUDGET_MS;
}

function placeOf(parts: Parts, path: string): ReturnType<typeof rotationTargetRef> | undefined {
  try {
    return rotationTargetRef(parts, path);
  } catch (error) {
    if (error instanceof BrokerError && error.code === 'ERR_CONFLICT') return undefined;
    throw error;
  }
}

/** Changes a contained response; undefined if it is not contained any more, or `change` returns nothing. */
function updateContained(
  parts: Parts,
  id: string,
  change: (current: AlertRecord) => AlertRecord | undefined,
  entries?: (next: AlertRecord) => readonly string[],
): Promise<AlertRecord | undefined> {
  return updateAlert(
    parts,
    id,
    (current) => (current.state === 'contained' ? change(current) : undefined),
    entries,
  );
}
