import type { ProvenQuarantine, Removals } from '../../ports/removals.ts';
import { macColumns, type Tables } from '../../ports/tables.ts';
import type { Recordable } from '../state/dependencies.ts';
import { Quarantines } from '../state/quarantine-memory.ts';
import { CAUSE, type Step, type StepParts } from './removal-step.ts';

export async function quarantineSteps(
  { store, rows, clock }: StepParts,
  { quarantines }: Removals,
): Promise<readonly Step[]> {
  const memory = new Quarantines(store, rows, clock);
  const steps: Step[] = [];
  for (const proven of quarantines) {
    const { kind, subject, id, endsAt, alert, mode } = proven;
    const now = clock.now();
    if ((endsAt ?? Infinity) <= now) continue;
    const row = await store.get('quarantines', { kind, subject });
    const isInForce = row !== undefined && (row.ends_at ?? Infinity) > now;
    if (isInForce && !isStricter(proven, row)) continue;
    steps.push({
      name: mode === undefined ? `${kind}:${subject}` : `${kind}:${subject} (${mode})`,
      writes: [{ table: 'quarantines', put: memory.rowOf({ ...proven, responseId: alert }) }],
      event: {
        action: 'quarantine.create',
        outcome: 'ok',
        quarantine: id,
        // A later restore must find a suspension again.
        cause: mode ?? CAUSE,
        comment: proven.reason,
        ...(alert !== undefined && { alert }),
        ...(endsAt !== undefined && { endsAt }),
        ...factsOf(proven),
      },
    });
  }
  return steps;
}

/** A quarantine that refuses everything is stricter than a suspension, and of two alike the one that ends later. */
function isStricter({ mode, endsAt }: ProvenQuarantine, row: Tables['quarantines']): boolean {
  if ((mode ?? null) !== row.mode) return mode === undefined;
  return (endsAt ?? Infinity) > (row.ends_at ?? Infinity);
}

function factsOf({
  kind,
  subject,
}: ProvenQuarantine): Pick<
  Extract<Recordable, { readonly action: 'quarantine.create' }>,
  'workload' | 'pod' | 'document'
> {
  if (kind === 'workload') return { workload: subject };
  if (kind === 'operator') return { document: { kind, name: subject } };
  const slash = subject.indexOf('/');
  const [cluster, uid] = [subject.slice(0, slash), subject.slice(slash + 1)];
  return { pod: { cluster, namespace: '', name: '', uid } };
}

/** The approvals end now. The next start removes them, with the documents that were written under an elevation. */
export async function approvalSteps(
  { store, rows, clock }: StepParts,
  { approvals }: Removals,
): Promise<readonly Step[]> {
  const steps: Step[] = [];
  const now = clock.now();
  for (const id of approvals) {
    const row = await store.get('approvals', { id });
    // The rule has no end.
    if (row === undefined || row.ends_at === null || row.ends_at <= now) continue;
    rows.verify('approvals', macColumns(row), row.mac);
    const ended = { ...row, ends_at: now };
    const requestedBy = row.requester;
    steps.push({
      name: id,
      writes: [
        { table: 'approvals', put: { ...ended, mac: rows.mac('approvals', macColumns(ended)) } },
      ],
      event: { action: 'approval.expire', outcome: 'ok', approval: id, requestedBy, cause: CAUSE },
    });
  }
  return steps;
}
