import { ApiError } from '../../client/index.ts';
import { callWith, type Broker } from '../broker.ts';
import type { CliContext } from '../context.ts';
import { problemLine } from '../errors.ts';
import { failureOf, refusalText } from '../failure.ts';
import { causeOf, mayHaveBeenDone, stopped } from '../unfinished.ts';
import { pathOf } from './kinds.ts';
import { problemAt } from './manifest.ts';
import type { Change, DocumentPlan } from './plan.ts';
import { changeName } from './plan-text.ts';

const DONE = { create: 'created', change: 'changed', delete: 'deleted' } as const;

/**
 * Applies the changes of a plan in order, and stops at the first failure, because later documents may depend on earlier ones.
 * @throws Failed or Interrupted, with the changes that were applied, not applied, and unknown
 */
export async function carryOut(
  { output, signal }: Pick<CliContext, 'output' | 'signal'>,
  broker: Broker,
  { changes }: DocumentPlan,
): Promise<void> {
  for (const [index, change] of changes.entries()) {
    let sent = false;
    try {
      signal.throwIfAborted();
      sent = true;
      await applyOne(broker, change);
    } catch (error) {
      const cause = causeOf(error, signal);
      const unknown = sent && mayHaveBeenDone(cause) ? [change] : [];
      const remaining = changes.slice(index + unknown.length);
      throw stopped(cause, progressOf(index, unknown, remaining), whyOf(cause, change));
    }
    output.note(`${DONE[change.action]} ${changeName(change)}`);
  }
}

function progressOf(
  doneCount: number,
  unknown: readonly Change[],
  remaining: readonly Change[],
): string {
  const names = (changes: readonly Change[]): string => changes.map(changeName).join(', ');
  return [
    `${doneCount} applied`,
    ...(unknown.length === 0 ? [] : [`possibly applied: ${names(unknown)}`]),
    ...(remaining.length === 0 ? [] : [`not applied: ${names(remaining)}`]),
  ].join('; ');
}

async function applyOne(broker: Broker, change: Change): Promise<void> {
  const { kind, name } = change;
  const path = pathOf(kind, name);
  if (change.action === 'delete') {
    await callWith(broker, kind.remove, { path, headers: { 'If-Match': change.etag } });
    return;
  }
  const headers: Record<string, string> =
    change.action === 'create' ? { 'If-None-Match': '*' } : { 'If-Match': change.etag };
  await callWith(broker, kind.put, { path, headers, body: change.manifest.body });
}

function whyOf(error: unknown, change: Change): string {
  const why =
    error instanceof ApiError ? refusalText(error, placesOf(error, change)) : failureOf(error).text;
  return `${changeName(change)}: ${why}`;
}

/** The problems that the broker found, at the lines of the file. */
function placesOf({ problems = [] }: ApiError, change: Change): readonly string[] {
  if (change.action === 'delete') return [];
  const { source, bodyPointer } = change.manifest;
  return problems.map(({ pointer, message }) => {
    const found = problemAt(source, `${bodyPointer}${pointer}`, message);
    return problemLine(found);
  });
}
