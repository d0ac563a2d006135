import { isDeepStrictEqual } from 'node:util';
import { BrokerError } from '../../domain/errors.ts';
import type { Expectation, Write } from '../../ports/store.ts';
import type { Tables } from '../../ports/tables.ts';
import type { Parts } from '../parts.ts';
import { nextDrill, nextRun } from '../rotation/next-run.ts';
import type { StoredDocument } from './document.ts';

type Row = Tables['rotation_schedules'];

/** What a change of a definition does to the row that says when it rotates. */
export interface ScheduleChange {
  readonly expect: readonly Expectation[];
  readonly writes: readonly Write[];
}

const NOTHING: ScheduleChange = { expect: [], writes: [] };

/**
 * Writes, keeps or removes the row with the definition; `next` undefined: the definition goes.
 * @throws ERR_CONFLICT when a rotation is under way that the change would pull the ground from under.
 */
export async function scheduleChange(
  parts: Parts,
  current: StoredDocument | undefined,
  next: StoredDocument | undefined,
): Promise<ScheduleChange> {
  const path = (next ?? current)?.name;
  if ((next ?? current)?.kind !== 'definition' || path === undefined) return NOTHING;
  const before = current as StoredDocument<'definition'> | undefined;
  const after = next as StoredDocument<'definition'> | undefined;
  if (before?.spec.rotation === undefined && after?.spec.rotation === undefined) return NOTHING;
  const key = { path };
  const row = await parts.store.get('rotation_schedules', key);
  if (row !== undefined && row.active_id !== null && !isSameCredential(before, after)) {
    throw new BrokerError(
      'ERR_CONFLICT',
      `the rotation ${row.active_id} is under way: abort it, or wait`,
    );
  }
  const expect: Expectation =
    row === undefined
      ? { table: 'rotation_schedules', key, absent: true }
      : { table: 'rotation_schedules', key, match: { active_id: row.active_id } };
  if (after?.spec.rotation === undefined) {
    const writes: readonly Write[] =
      row === undefined ? [] : [{ table: 'rotation_schedules', remove: key }];
    return { expect: [expect], writes };
  }
  const times = await timesOf(parts, after, row);
  const write: Write =
    row === undefined
      ? { table: 'rotation_schedules', put: { ...freshRow(path), ...times } }
      : { table: 'rotation_schedules', key, change: times };
  return { expect: [expect], writes: [write] };
}

/** Whether what is under way still rotates what it began to. */
function isSameCredential(
  before: StoredDocument<'definition'> | undefined,
  after: StoredDocument<'definition'> | undefined,
): boolean {
  const of = (definition: StoredDocument<'definition'> | undefined): unknown => {
    const { connection, strategy, options } = definition?.spec.rotation ?? {};
    return [connection, strategy, options, definition?.spec.ref];
  };
  return after?.spec.rotation !== undefined && isDeepStrictEqual(of(before), of(after));
}

function freshRow(path: string): Omit<Row, keyof Awaited<ReturnType<typeof timesOf>>> {
  return {
    path,
    active_id: null,
    rotated_at: null,
    duration_ms: null,
    proven_at: null,
    failures: 0,
  };
}

async function timesOf(
  { clock }: Parts,
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
