import { ApiError } from '../../client/index.ts';
import { callLoosely, type Broker } from '../broker.ts';
import type { CliContext } from '../context.ts';
import { answerText, failureOf } from '../failure.ts';
import { mayHaveBeenDone } from '../may-have-been-done.ts';
import { causeOf, stopped } from '../stopped.ts';
import { problemLine } from '../usage-error.ts';
import { pathOf } from './kinds.ts';
import { problemAt } from './manifest.ts';
import type { Change, DocumentPlan } from './plan.ts';
import { changeName } from './plan-text.ts';

const DONE = { create: 'created', change: 'changed', delete: 'deleted' } as const;

/**
 * Does what a plan says, one after the other, and stops at the first that fails: what comes after may need it.
 * @throws Failed or Interrupted, which say what was done, what was not, and of what it is not known
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
      await doOne(broker, change);
    } catch (error) {
      const cause = causeOf(error, signal);
      const unknown = sent && mayHaveBeenDone(cause) ? [change] : [];
      const undone = changes.slice(index + unknown.length);
      throw stopped(cause, progressOf(index, unknown, undone), whyOf(cause, change));
    }
    output.note(`${DONE[change.action]} ${changeName(change)}`);
  }
}

function progressOf(
  doneCount: number,
  unknown: readonly Change[],
  undone: readonly Change[],
): string {
  const names = (changes: readonly Change[]): string => changes.map(changeName).join(', ');
  return [
    `${doneCount} done`,
    ...(unknown.length === 0 ? [] : [`not known whether done: ${names(unknown)}`]),
    ...(undone.length === 0 ? [] : [`not done: ${names(undone)}`]),
  ].join('; ');
}

async function doOne(broker: Broker, change: Change): Promise<void> {
  const { kind, name } = change;
  const path = pathOf(kind, name);
  if (change.action === 'delete') {
    await callLoosely(broker, kind.remove, { path, headers: { 'If-Match': change.etag } });
    return;
  }
  const headers: Record<string, string> =
    change.action === 'create' ? { 'If-None-Match': '*' } : { 'If-Match': change.etag };
  await callLoosely(broker, kind.put, { path, headers, body: change.manifest.body });
}

function whyOf(error: unknown, change: Change): string {
  const why =
    error instanceof ApiError ? answerText(error, placesOf(error, change)) : failureOf(error).text;
  return `${changeName(change)}: ${why}`;
}

/** What the broker found wrong, by the lines of the file. */
function placesOf({ problems = [] }: ApiError, change: Change): readonly string[] {
  if (change.action === 'delete') return [];
  const { source, bodyPointer } = change.manifest;
  return problems.map(({ pointer, message }) => {
    const found = problemAt(source, `${bodyPointer}${pointer}`, message);
    return problemLine(found);
  });
}
