import { ApiError } from '../../client/index.ts';
import { callLoosely, type Broker } from '../broker.ts';
import type { CliContext } from '../context.ts';
import { answerText, failureOf } from '../failure.ts';
import { Failed } from '../failed.ts';
import { problemLine } from '../usage-error.ts';
import { pathOf } from './kinds.ts';
import { problemAt } from './manifest.ts';
import type { Change, DocumentPlan } from './plan.ts';
import { changeName } from './plan-text.ts';

const DONE = { create: 'created', change: 'changed', delete: 'deleted' } as const;

/**
 * Does what a plan says, one after the other, and stops at the first that fails: what comes after may need it.
 * @throws Failed, which says what was done and what was not
 */
export async function carryOut(
  { output, signal }: Pick<CliContext, 'output' | 'signal'>,
  broker: Broker,
  { changes }: DocumentPlan,
): Promise<void> {
  for (const [index, change] of changes.entries()) {
    try {
      signal.throwIfAborted();
      await doOne(broker, change);
    } catch (error) {
      throw stopped(error, change, changes.slice(index), index);
    }
    output.note(`${DONE[change.action]} ${changeName(change)}`);
  }
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

function stopped(
  error: unknown,
  change: Change,
  undone: readonly Change[],
  doneCount: number,
): Failed {
  const { text, exitCode } = failureOf(error);
  const why = error instanceof ApiError ? answerText(error, placesOf(error, change)) : text;
  const lines = [
    `${changeName(change)}: ${why || 'interrupted'}`,
    `${doneCount} done; not done: ${undone.map(changeName).join(', ')}`,
  ];
  return new Failed(lines.join('\n'), exitCode);
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
