import type { Backends, Recording, Work } from '../broker/state/dependencies.ts';

import type { SystemActor } from '../broker/recording/record.ts';
import { locatorAt } from '../broker/state/target.ts';
import { isOver } from '../domain/rotation/rotation-progress.ts';
import type { Write } from '../ports/store.ts';
import type { RotationRow, StepRow } from './rotation-row.ts';
import type { StepResult } from './step-effects.ts';
import { VETOED } from './vetoes.ts';

/** The audit entries of a step that began, ended or failed; `next` is the row after it. */
export function stepEntries(
  {
    parts,
    actor,
  }: { readonly parts: Backends & Pick<Recording, 'digest'>; readonly actor: SystemActor },
  row: RotationRow,
  next: RotationRow,
  { outcome, error }: Pick<StepRow, 'outcome' | 'error'>,
): readonly string[] {
  const { id: rotation, path, step, requested_by: requestedBy } = row;
  const version = next.version ?? undefined;
  const facts = { path, locator: locatorAt(parts, path), rotation, requestedBy, version };
  const entry = actor.entry({
    action: 'rotation.step',
    outcome: outcome === 'failed' ? 'error' : 'ok',
    ...(error === null ? {} : { reason: error }),
    ...facts,
    step,
    cause: next.state === 'parked' ? 'parked' : outcome,
    count: next.attempts,
  });
  if (!isOver(next)) return [entry];
  return [
    entry,
    actor.entry({ action: 'rotation.end', outcome: 'ok', ...facts, cause: next.state }),
  ];
}

/**
 * The record of a rotation that holders roll back: per workload a row of the history and an audit entry, an error in the log, a failure
 * counted in `quaymaster_rotations_failing`, and `quaymaster_rotation_vetoes_total`. `seq`: number of the first row.
 */
export async function vetoRecord(
  {
    parts,
    actor,
  }: { readonly parts: Recording & Backends & Pick<Work, 'vetoes'>; readonly actor: SystemActor },
  row: RotationRow,
  workloads: readonly string[],
  seq: number,
): Promise<Pick<StepResult, 'writes' | 'entries' | 'schedule'>> {
  const { id: rotation, path, connection, step } = row;
  parts.log.error(
    { rotation, path, connection, workloads },
    'holders reported failures of the new version; the rotation is rolled back',
  );
  parts.vetoes.count += 1;
  const known = await parts.store.get('rotation_schedules', { path });
  const at = parts.clock.now();
  const rows = { rotation_id: rotation, step, outcome: 'failed', error: VETOED, at } as const;
  const facts = { path, rotation, step, version: row.version ?? undefined };
  const locator = locatorAt(parts, path);
  return {
    schedule: { failures: (known?.failures ?? 0) + 1 },
    writes: workloads.map((workload, index): Write => ({
      table: 'rotation_steps',
      put: { ...rows, seq: seq + index, actor: workload },
    })),
    entries: workloads.map((workload) =>
      actor.entry({ action: 'rotation.veto', outcome: 'ok', ...facts, locator, workload }),
    ),
  };
}
