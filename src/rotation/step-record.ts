import { isOver } from '../domain/rotation/rotation-progress.ts';
import type { Parts } from '../broker/parts.ts';
import type { SystemActor } from '../broker/recording/record.ts';
import { locatorAt } from '../broker/secrets/target.ts';
import type { RotationRow, StepRow } from './rotation-row.ts';

/** What the log says of a step that began, ended or failed; `next` is the row after it. */
export function stepEntries(
  { parts, actor }: { readonly parts: Parts; readonly actor: SystemActor },
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
