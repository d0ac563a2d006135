import type { Call, Caller } from '../broker/access/call.ts';
import { decodeCursor, encodeCursor } from '../broker/state/cursor.ts';
import { nextRuns } from '../broker/model/rotation-times.ts';
import { listAll } from '../broker/kernel/list-all.ts';
import type {
  Access,
  Backends,
  Keys,
  Recording,
  Rights,
  Storage,
} from '../broker/state/dependencies.ts';
import { recordOperation } from '../broker/recording/operation.ts';
import { denied, judge, refusalOf } from '../broker/access/judge.ts';
import { LiveSession } from '../broker/state/session-memory.ts';
import { BrokerError } from '../domain/errors.ts';
import { parseSecretPath } from '../domain/words/names.ts';
import type { Page, PageRequest } from '../domain/page.ts';
import { holdsFor } from '../domain/identity/principal.ts';
import type { RotationSpec } from '../domain/rotation/rotation-spec.ts';
import { findHolders, readReports } from './holders.ts';
import { isOverdue } from './overdue.ts';
import { probeTarget, rotationTargetRef, type TargetState } from './rotation-target-ref.ts';
import type { RotationRow, ScheduleRow, StepRow } from './rotation-row.ts';
import { ROTATIONS, ROTATION_STEPS, SCHEDULES } from '../ports/queries.ts';

/** The versions of a holder, and its last report. */
export interface HolderStatus {
  readonly workload: string;
  readonly podUid: string | undefined;
  readonly versions: readonly string[];
  readonly said:
    | {
        readonly version: string;
        readonly outcome: 'ok' | 'failed';
        readonly reason: string | null;
        readonly at: number;
      }
    | undefined;
}

export interface RotationStatus {
  readonly path: string;
  readonly spec: RotationSpec;
  /** Reason why it cannot rotate now, as a stable word such as `no_connection`; then the traits of the target are unknown. */
  readonly problem: string | undefined;
  readonly slots: 'one' | 'two' | undefined;
  readonly drillable: boolean | undefined;
  /** Locators of what a rotation changes and tests at the target. */
  readonly accounts: readonly string[] | undefined;
  readonly schedule: ScheduleRow;
  /** Times of the next scheduled runs, beginning with the one of the schedule row. Milliseconds since the epoch. */
  readonly nextRuns: readonly number[];
  readonly active: (RotationRow & { readonly steps: readonly StepRow[] }) | undefined;
  readonly holders: readonly HolderStatus[];
  readonly holderCount: number;
  /** Results for each stored value at the target, for a parked rotation. */
  readonly probe: TargetState | undefined;
}

const MOST_HOLDERS = 200;
const MOST_NEXT_RUNS = 5;
const MOST_STEPS = 500;

/** @throws ERR_DENIED; ERR_NOT_FOUND if the path does not rotate. */
export async function rotationStatus(
  parts: Recording & Access & Backends & Keys,
  call: Call,
  caller: Caller,
  path: string,
): Promise<RotationStatus> {
  parseSecretPath(path);
  const described = { action: 'rotation.read', path } as const;
  return recordOperation({ parts, call, caller }, described, async (now) => {
    requireAccess(parts, call, now, path);
    return readStatus(parts, call, path);
  });
}

async function readStatus(
  parts: Storage & Backends & Keys,
  call: Call,
  path: string,
): Promise<RotationStatus> {
  const schedule = await parts.store.get('rotation_schedules', { path });
  const spec = parts.catalog.find('definition', path)?.spec.rotation;
  if (schedule === undefined || spec === undefined) throw new BrokerError('ERR_NOT_FOUND');
  const id = schedule.active_id ?? undefined;
  const row = id === undefined ? undefined : await parts.store.get('rotations', { id });
  const holders = await holderStatus(parts, path);
  return {
    path,
    spec,
    ...traitsAt(parts, path),
    schedule,
    nextRuns: await upcomingRuns(spec, schedule),
    active: row && { ...row, steps: await listSteps(parts, row.id) },
    holders: holders.slice(0, MOST_HOLDERS),
    holderCount: holders.length,
    probe: row?.state === 'parked' ? await probeTarget(parts, row, call.context()) : undefined,
  };
}

type Traits = Pick<RotationStatus, 'problem' | 'slots' | 'drillable' | 'accounts'>;

/** A problem with the target must not hide the rest of the status from the operator who looks for it. */
function traitsAt(parts: Backends, path: string): Traits {
  try {
    const { slots, drillable, locators } = rotationTargetRef(parts, path).target;
    return { problem: undefined, slots, drillable, accounts: locators };
  } catch (error) {
    const { reason, code } = BrokerError.from(error);
    return { problem: reason ?? code, slots: undefined, drillable: undefined, accounts: undefined };
  }
}

async function upcomingRuns(
  spec: RotationSpec,
  { path, next_run_at: first }: ScheduleRow,
): Promise<readonly number[]> {
  if (first === null) return [];
  const clock = { path, after: first, lastRunAt: first, rotatedAt: first };
  return [first, ...(await nextRuns(spec, clock, MOST_NEXT_RUNS - 1))];
}

/** Allows callers that may rotate the path, and auditors. @throws ERR_DENIED */
function requireAccess(parts: Rights, call: Call, caller: Caller, path: string): void {
  if (!(caller instanceof LiveSession) && holdsFor(caller.operator, 'auditor', path)) return;
  const verdict = judge(parts, call, caller, { capability: 'rotate', path });
  if (!verdict.allowed) throw refusalOf(verdict);
}

async function holderStatus(parts: Storage, path: string): Promise<readonly HolderStatus[]> {
  const reports = await readReports(parts, path);
  return [...(await findHolders(parts, path))].map(([key, { workload, podUid, versions }]) => {
    const report = reports.get(key);
    const said = report && {
      version: report.version,
      outcome: report.outcome,
      reason: report.reason,
      at: report.at,
    };
    return { workload, podUid, versions: [...versions], said };
  });
}

/** The last steps: a rotation that waits for days has many. */
async function listSteps(
  { store }: Pick<Storage, 'store'>,
  rotationId: string,
): Promise<readonly StepRow[]> {
  const newestFirst = ROTATION_STEPS.ofRotation(rotationId);
  return (await store.list(newestFirst, { limit: MOST_STEPS })).toReversed();
}

/** Lists the rotations and drills of a path, newest first. @throws ERR_DENIED */
export async function rotationHistory(
  parts: Recording & Access & Pick<Keys, 'keyring'>,
  call: Call,
  caller: Caller,
  { path, page }: { readonly path: string; readonly page: PageRequest },
): Promise<Page<RotationRow & { readonly steps: readonly StepRow[] }>> {
  parseSecretPath(path);
  const described = { action: 'rotation.read', path } as const;
  return recordOperation({ parts, call, caller }, described, async (now) => {
    requireAccess(parts, call, now, path);
    const list = `rotation-history/${path}`;
    const after = decodeCursor(parts, list, page.after) as Partial<RotationRow> | undefined;
    const rows = await parts.store.list(ROTATIONS.ofPath(path), { limit: page.limit + 1, after });
    const shown = rows.slice(0, page.limit);
    const items = await Promise.all(
      shown.map(async (row) => ({ ...row, steps: await listSteps(parts, row.id) })),
    );
    const last = shown.at(-1);
    if (rows.length === shown.length || last === undefined) return { items };
    const { created_at, id } = last;
    return { items, next: encodeCursor(parts, list, { created_at, id }) };
  });
}

/** Filter of rotating paths; empty: all. */
export interface RotationFilter {
  /** The next run is at this time or earlier. */
  readonly dueBefore?: number | undefined;
  /** Filter by `isOverdue`. */
  readonly overdue?: boolean | undefined;
  /** Filter of credentials that no rotation or drill ever tested. */
  readonly neverProven?: boolean | undefined;
  readonly state?: 'running' | 'parked' | 'undoing' | undefined;
}

export interface ListedRotation {
  readonly schedule: ScheduleRow;
  readonly active: RotationRow | undefined;
}

/** Lists rotating paths within the scope of the operator, in order of path. */
export async function listRotations(
  parts: Recording & Access & Backends & Pick<Keys, 'keyring'>,
  call: Call,
  caller: Caller,
  { filter, page }: { readonly filter: RotationFilter; readonly page: PageRequest },
): Promise<Page<ListedRotation>> {
  const described = { action: 'rotation.list' } as const;
  return recordOperation({ parts, call, caller }, described, async (now) => {
    requireAnyAccess(now);
    const list = `rotations/${JSON.stringify(filter)}`;
    const after = decodeCursor(parts, list, page.after) as string | undefined;
    const items: ListedRotation[] = [];
    for await (const schedule of schedules(parts, filter, after)) {
      if (!maySee(parts, call, now, schedule.path)) continue;
      if (items.length === page.limit) {
        const next = encodeCursor(parts, list, items.at(-1)?.schedule.path ?? '');
        return { items, next };
      }
      const id = schedule.active_id ?? undefined;
      const active = id === undefined ? undefined : await parts.store.get('rotations', { id });
      items.push({ schedule, active });
    }
    return { items };
  });
}

/** @throws ERR_DENIED to an operator that may see no rotation, whatever rotates */
function requireAnyAccess(caller: Caller): void {
  if (caller instanceof LiveSession) return;
  const roles = caller.operator.grants.map(({ role }) => role);
  if (!SEEING.some((role) => roles.includes(role))) throw denied('no_role');
}

const SEEING = ['rotator', 'auditor', 'admin'] as const;

function maySee(parts: Rights, call: Call, caller: Caller, path: string): boolean {
  try {
    requireAccess(parts, call, caller, path);
    return true;
  } catch (error) {
    if (error instanceof BrokerError && error.code === 'ERR_DENIED') return false;
    throw error;
  }
}

/** Lists schedules in order of path, with one look-up each: this serves people, not the scheduler. */
async function* schedules(
  parts: Storage & Backends,
  filter: RotationFilter,
  after: string | undefined,
): AsyncGenerator<ScheduleRow> {
  const { state } = filter;
  const active = state === undefined ? undefined : await pathsIn(parts, state);
  for await (const row of listAll(parts.store, SCHEDULES.from(after ?? ''))) {
    const isInState = active === undefined || active.has(row.path);
    if (row.path !== after && isInState && (await isWanted(parts, row, filter))) yield row;
  }
}

async function isWanted(
  parts: Storage & Backends,
  row: ScheduleRow,
  { dueBefore, overdue, neverProven }: RotationFilter,
): Promise<boolean> {
  const { next_run_at, proven_at } = row;
  if (neverProven === true && proven_at !== null) return false;
  const isDue = dueBefore === undefined || (next_run_at !== null && next_run_at <= dueBefore);
  return isDue && (overdue !== true || (await isOverdue(parts, row)));
}

async function pathsIn(
  { store }: Pick<Storage, 'store'>,
  state: 'running' | 'parked' | 'undoing',
): Promise<ReadonlySet<string>> {
  const paths = new Set<string>();
  for await (const row of listAll(store, ROTATIONS.inState(state))) {
    paths.add(row.path);
  }
  return paths;
}
