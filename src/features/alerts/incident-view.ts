import type { NamedScope } from '../../domain/identity/quarantine.ts';
import type { PageRequest } from '../../domain/page.ts';
import type { AuditLog } from '../../ports/audit-log.ts';
import { LEASES } from '../../ports/queries.ts';
import type { Tables } from '../../ports/tables.ts';
import { decodeCursor, encodeCursor } from '../../broker/state/cursor.ts';
import type { Access, Keys, Storage } from '../../broker/state/dependencies.ts';
import type { AlertRecord, ExposedSecret, PodPosture } from './alert-record.ts';
import {
  exposureOf,
  findOtherReaders,
  type Exposure,
  type OtherReaders,
  type ReadSecret,
  type UnreadLog,
} from './exposure.ts';
import { neighboursOf, podOf, postureOf, type Neighbours } from './incident-context.ts';
import type { Enforcing } from './enforcement.ts';
import { findTimeline, type TimelineEntry, type TimelineGap } from './timeline.ts';

type Parts = Storage &
  Pick<Access, 'clusters'> &
  Pick<Keys, 'keyring'> &
  Partial<Enforcing> & { readonly audit: AuditLog };

/**
 * `rotated`: the version that the scope read is not valid any more. `running`: its rotation is in progress. `blocked`: it waits or failed; see `why`.
 * `by_hand`: no rotation is configured. `revoked`: dynamic credentials, which end with their lease. `waiting`: the response did not get to it yet.
 * `kept`: the response does not rotate it: by its rule, because it did not begin, or because it was over before the read.
 */
export type SecretState =
  | 'rotated'
  | 'running'
  | 'blocked'
  | 'by_hand'
  | 'revoked'
  | 'waiting'
  | 'kept';

/** Secret that a scope holds or ever read. */
export interface IncidentSecret extends ReadSecret, OtherReaders {
  /** The scope held a lease on it at the time of the incident, or later. */
  readonly isHeld: boolean;
  readonly state: SecretState;
  /** The reason for `blocked`. */
  readonly why?: string | undefined;
  readonly rotation?: { readonly id: string; readonly state: string } | undefined;
  readonly unrotated?: ExposedSecret['unrotated'];
  /** Live leases of all holders on the path. */
  readonly liveLeases: number;
  /** Holders outside the scopes, also of a value that a rotation ended, and those of them that have a version that the scope did not read. */
  readonly holders: { readonly total: number; readonly updated: number };
}

export interface Incident {
  /** Record of the incident; undefined for a dry run. */
  readonly record: AlertRecord | undefined;
  readonly scopes: readonly NamedScope[];
  readonly secrets: readonly IncidentSecret[];
  /** Number of secrets that are not shown, because the scope read them only before the time of the incident, and does not hold them. */
  readonly hidden: number;
  /** False if entries of the log may name more secrets, or if a dry run does not show all. */
  readonly isComplete: boolean;
  readonly unread: readonly UnreadLog[];
  /** Timeline, oldest first, on the pages after the last secret. */
  readonly timeline: readonly TimelineEntry[];
  readonly gaps: readonly TimelineGap[];
  /** State of the pod then and now, and other pods; with the timeline, and in a dry run. */
  readonly context?: IncidentContext | undefined;
  readonly next?: string | undefined;
}

export interface IncidentPage extends PageRequest {
  /** Shows secrets that were read only before the time of the incident, too. */
  readonly showsAll?: boolean | undefined;
}

export interface IncidentContext {
  /** The pod when the alert came or the incident was opened. */
  readonly then: PodPosture | undefined;
  readonly now: PodPosture | undefined;
  readonly neighbours: Neighbours | undefined;
  /** The signed tree head that covers the timeline. */
  readonly checkpoint: string | undefined;
}

/** Holders of one path that are looked at. */
const MOST_HOLDERS = 1_000;
/** States of a response that has begun and is not over. */
const ROTATING: readonly AlertRecord['state'][] = ['responding', 'contained'];

/** Builds the answer of a dry run: the first secrets, and no timeline. */
export async function previewIncident(
  parts: Parts,
  {
    scopes,
    extent,
    since,
    rotates,
  }: Pick<AlertRecord, 'scopes' | 'extent' | 'since'> & { readonly rotates: boolean },
  { limit }: PageRequest,
): Promise<Incident> {
  const at = Math.min(since, parts.clock.now());
  const exposure = await exposureOf(parts, { scopes, extent }, at);
  const all = shownOf(exposure, since);
  const shown = all.slice(0, limit);
  const own = { record: undefined, exposure, rotates };
  return {
    record: undefined,
    scopes,
    secrets: await readAllDetails(parts, own, shown),
    hidden: exposure.everRead.length - all.length,
    isComplete: exposure.isComplete && shown.length === all.length,
    unread: exposure.unread,
    timeline: [],
    gaps: [],
    context: await contextOf(parts, scopes),
  };
}

async function contextOf(
  parts: Parts,
  scopes: readonly NamedScope[],
  record?: AlertRecord,
): Promise<IncidentContext> {
  const pod = podOf(scopes, record);
  return {
    then: record?.posture,
    now: pod && postureOf(parts, pod),
    neighbours: pod && (await neighboursOf(parts, pod)),
    checkpoint: (await parts.audit.checkpoint())?.note,
  };
}

/** Start of a page: after a path, or after an entry of the timeline, which follows the last path. */
type Position = { readonly path: string } | { readonly index: number };
const BEGINNING = -1;

/** Reads one page: the secrets by path, then the timeline. */
export async function readIncidentPage(
  parts: Parts,
  record: AlertRecord,
  { limit, after, showsAll = false }: IncidentPage,
): Promise<Incident> {
  const list = `incident/${record.id}`;
  const from = (decodeCursor(parts, list, after) as Position | undefined) ?? { path: '' };
  const { scopes, since } = record;
  const exposure = await exposureOf(parts, record, heldSince(record));
  const all = shownOf(exposure, showsAll ? 0 : since);
  const rest = 'path' in from ? all.filter(({ path }) => path > from.path) : [];
  const shown = rest.slice(0, limit);
  const room = limit - shown.length;
  const { isComplete, unread } = exposure;
  const page = {
    record,
    scopes,
    secrets: await readAllDetails(parts, { record, exposure }, shown),
    hidden: exposure.everRead.length - all.length,
    isComplete,
    unread,
    gaps: [],
  };
  if (shown.length < rest.length) {
    const next = encodeCursor(parts, list, { path: shown.at(-1)?.path ?? '' });
    return { ...page, timeline: [], next };
  }
  const start = 'index' in from ? from.index : BEGINNING;
  if (room === 0)
    return { ...page, timeline: [], next: encodeCursor(parts, list, { index: start }) };
  return { ...page, ...(await timelinePage(parts, record, { list, start, room })) };
}

async function timelinePage(
  parts: Parts,
  record: AlertRecord,
  { list, start, room }: { readonly list: string; readonly start: number; readonly room: number },
): Promise<Pick<Incident, 'timeline' | 'gaps' | 'context' | 'next'>> {
  const { entries, gaps } = await findTimeline(parts.audit, record);
  const later = entries.filter(({ index }) => index > start);
  const timeline = later.slice(0, room);
  const index = timeline.at(-1)?.index;
  const hasMore = timeline.length < later.length;
  const context = await contextOf(parts, record.scopes, record);
  return {
    timeline,
    gaps,
    context,
    ...(hasMore && { next: encodeCursor(parts, list, { index }) }),
  };
}

/** The time from which leases count as held: that of the incident, or of the event. */
function heldSince({ since, receivedAt, alert }: AlertRecord): number {
  return Math.min(receivedAt, since > 0 ? since : (alert.time ?? receivedAt));
}

/** The secrets of an incident that began at a time: those that the scope held, and those that it read since. */
function shownOf({ everRead, holdsNow }: Exposure, since: number): readonly ReadSecret[] {
  const held = new Set(holdsNow.map(({ path }) => path));
  return everRead.filter(({ path, lastAt }) => lastAt >= since || held.has(path));
}

interface Own {
  readonly record: AlertRecord | undefined;
  readonly exposure: Exposure;
  /** True if the incident of a dry run would rotate. */
  readonly rotates?: boolean;
}

async function readAllDetails(
  parts: Parts,
  own: Own,
  secrets: readonly ReadSecret[],
): Promise<readonly IncidentSecret[]> {
  const details: IncidentSecret[] = [];
  for (const secret of secrets) details.push(await readDetails(parts, own, secret));
  return details;
}

async function readDetails(
  parts: Parts,
  { record, exposure, rotates }: Own,
  secret: ReadSecret,
): Promise<IncidentSecret> {
  const { audit, store } = parts;
  const { path } = secret;
  const { scopes, readers, holdsNow } = exposure;
  const exposed = record?.exposed?.find((each) => each.path === path);
  const rotation =
    exposed?.rotation === undefined
      ? undefined
      : await store.get('rotations', { id: exposed.rotation });
  const planned =
    record === undefined ? await plannedState(store, rotates === true, secret) : undefined;
  const leases = await store.list(LEASES.liveOfPath(path), { limit: MOST_HOLDERS });
  return {
    ...secret,
    ...(await findOtherReaders(audit, path, { scopes, readers })),
    ...(planned ?? stateOf(record, exposed, { secret, rotation })),
    isHeld: holdsNow.some((each) => each.path === path),
    ...(rotation && { rotation: { id: rotation.id, state: rotation.state } }),
    ...(exposed?.unrotated && { unrotated: exposed.unrotated }),
    liveLeases: leases.length,
    holders: holdersOf([...leases, ...(await findLeftBehind(parts, secret))], scopes, secret),
  };
}

/** The state that an incident would begin with. */
async function plannedState(
  store: Parts['store'],
  rotates: boolean,
  { path, versions }: ReadSecret,
): Promise<Pick<IncidentSecret, 'state'>> {
  if (versions.length === 0) return { state: 'revoked' };
  if (!rotates) return { state: 'kept' };
  const isRotating = (await store.get('rotation_schedules', { path })) !== undefined;
  return { state: isRotating ? 'waiting' : 'by_hand' };
}

/** Leases that a rotation ended while their pods run on with what the scope read: without a new read, such a pod cannot log in at the target. */
async function findLeftBehind(
  { store, clusters }: Pick<Parts, 'store' | 'clusters'>,
  { path, versions }: ReadSecret,
): Promise<readonly Tables['leases'][]> {
  const leases = await store.list(LEASES.supersededOfPath(path), { limit: MOST_HOLDERS });
  return leases.filter(({ cluster, pod_uid: uid, version }) => {
    if (uid === null || !versions.includes(version)) return false;
    const pod = clusters.watch(cluster)?.find(uid);
    return pod !== undefined && pod.state !== 'ended';
  });
}

/** The holders outside the scopes, each pod or session once. A live lease on another version shows that its holder has that one. */
function holdersOf(
  leases: readonly Tables['leases'][],
  scopes: Exposure['scopes'],
  { versions }: ReadSecret,
): IncidentSecret['holders'] {
  const subjects = new Set(scopes.map(({ subject }) => subject));
  const total = new Set<string>();
  const outdated = new Set<string>();
  const updated = new Set<string>();
  for (const { cluster, pod_uid: uid, session_id: session, workload, version, state } of leases) {
    if (subjects.has(workload) || (uid !== null && subjects.has(`${cluster}/${uid}`))) continue;
    const holder = uid ?? session;
    total.add(holder);
    if (!versions.includes(version)) updated.add(holder);
    else if (state === 'live') outdated.add(holder);
  }
  const current = [...updated].filter((holder) => !outdated.has(holder));
  return { total: total.size, updated: current.length };
}

function stateOf(
  record: AlertRecord | undefined,
  exposed: ExposedSecret | undefined,
  { secret, rotation }: { secret: ReadSecret; rotation: Tables['rotations'] | undefined },
): Pick<IncidentSecret, 'state' | 'why'> {
  if (secret.versions.length === 0) return { state: 'revoked' };
  if (rotation !== undefined) return rotationState(rotation);
  // Old rotations are deleted.
  if (exposed?.rotation !== undefined) return { state: 'blocked', why: 'no_record' };
  if (exposed?.unrotated === 'not_rotating') return { state: 'by_hand' };
  if (exposed?.unrotated !== undefined) return { state: 'blocked', why: exposed.unrotated };
  return { state: isRotating(record) ? 'waiting' : 'kept' };
}

/** Reports whether the response is still to rotate what was read. */
function isRotating(record: AlertRecord | undefined): boolean {
  return ROTATING.includes(record?.state ?? 'done') && record?.response.rotate === 'read';
}

function rotationState({
  state,
  last_error: error,
}: Tables['rotations']): Pick<IncidentSecret, 'state' | 'why'> {
  if (state === 'done') return { state: 'rotated' };
  return state === 'running' ? { state } : { state: 'blocked', why: error ?? state };
}
