import { isDeepStrictEqual } from 'node:util';
import { BrokerError } from '../../domain/errors.ts';
import type { Expectation, Write } from '../../ports/store.ts';
import type { Tables } from '../../ports/tables.ts';
import type { Backends, Storage } from './dependencies.ts';
import { nextDrill, nextRun } from '../model/rotation-times.ts';
import type { StoredDocument } from '../model/document.ts';

type Row = Tables['rotation_schedules'];

/** The changes of a path's schedule row when its definition changes. */
export interface ScheduleChange {
  readonly expect: readonly Expectation[];
  readonly writes: readonly Write[];
}

const NOTHING: ScheduleChange = { expect: [], writes: [] };

/**
 * Writes, keeps or removes the schedule row together with the definition; `next` undefined: the definition is deleted.
 * @throws ERR_CONFLICT if a rotation is in progress and the change would replace its target.
 */
export async function scheduleChange(
  parts: Storage & Pick<Backends, 'targets'>,
  current: StoredDocument | undefined,
  next: StoredDocument | undefined,
): Promise<ScheduleChange> {
  const before = rotating(current);
  const after = rotating(next);
  const path = (after ?? before)?.name;
  if (path === undefined) return NOTHING;
  const key = { path };
  const row = await parts.store.get('rotation_schedules', key);
  const active = row?.active_id ?? null;
  if (active !== null && !isSameCredential(before, after)) {
    throw new BrokerError(
      'ERR_CONFLICT',
      `the rotation ${active} of "${path}" is in progress: abort it, or wait until it ends`,
    );
  }
  const expect: Expectation =
    row === undefined
      ? { table: 'rotation_schedules', key, absent: true }
      : { table: 'rotation_schedules', key, match: { active_id: active } };
  const reset = isSameTarget(parts, before, after) ? {} : UNPROVEN;
  return { expect: [expect], writes: await planWrites(parts, row, after, { path, reset }) };
}

/** Proofs for other accounts do not count for the new ones: the first run proves again that the accounts belong to the path. */
const UNPROVEN = { rotated_at: null, duration_ms: null, proven_at: null } as const;

function isSameTarget(
  { targets }: Pick<Backends, 'targets'>,
  before: StoredDocument<'definition'> | undefined,
  after: StoredDocument<'definition'> | undefined,
): boolean {
  if (before === undefined || after === undefined) return false;
  if (before.spec.rotation?.connection !== after.spec.rotation?.connection) return false;
  try {
    return isDeepStrictEqual(targets.target(before).locators, targets.target(after).locators);
  } catch {
    return false;
  }
}

async function planWrites(
  parts: Pick<Storage, 'clock'>,
  row: Row | undefined,
  after: StoredDocument<'definition'> | undefined,
  { path, reset }: { readonly path: string; readonly reset: Partial<Row> },
): Promise<readonly Write[]> {
  const key = { path };
  if (after === undefined)
    return row === undefined ? [] : [{ table: 'rotation_schedules', remove: key }];
  const times = await computeTimes(parts, after, row && { ...row, ...reset });
  return row === undefined
    ? [{ table: 'rotation_schedules', put: { ...freshRow(path), ...times } }]
    : [{ table: 'rotation_schedules', key, change: { ...reset, ...times } }];
}

/** The document as a definition that rotates; undefined for any other. */
function rotating(document: StoredDocument | undefined): StoredDocument<'definition'> | undefined {
  if (document?.kind !== 'definition') return undefined;
  const definition = document as StoredDocument<'definition'>;
  return definition.spec.rotation === undefined ? undefined : definition;
}

/** Reports whether a rotation in progress keeps the target that it started with. */
function isSameCredential(
  before: StoredDocument<'definition'> | undefined,
  after: StoredDocument<'definition'> | undefined,
): boolean {
  const of = (definition: StoredDocument<'definition'> | undefined): unknown => {
    const { connection, strategy, options } = definition?.spec.rotation ?? {};
    return [connection, strategy, options, definition?.spec.ref];
  };
  return after !== undefined && isDeepStrictEqual(of(before), of(after));
}

function freshRow(path: string): Omit<Row, keyof Awaited<ReturnType<typeof computeTimes>>> {
  return {
    path,
    active_id: null,
    rotated_at: null,
    duration_ms: null,
    proven_at: null,
    failures: 0,
    mac: null,
  };
}

async function computeTimes(
  { clock }: Pick<Storage, 'clock'>,
  { name, uid, version, spec }: StoredDocument<'definition'>,
  row: Row | undefined,
): Promise<Pick<Row, 'definition_uid' | 'definition_version' | 'next_run_at' | 'next_drill_at'>> {
  const { rotation } = spec;
  const now = clock.now();
  const times = { path: name, after: now, rotatedAt: row?.rotated_at ?? undefined };
  const proven = { ...times, rotatedAt: row?.proven_at ?? undefined };
  return {
    definition_uid: uid,
    definition_version: version,
    next_run_at: (rotation && (await nextRun(rotation, times))) ?? null,
    next_drill_at: (rotation && nextDrill(rotation, proven)) ?? null,
  };
}
