import { ApiError } from '../../client/index.ts';
import { callWith, type Broker, type LooseInput } from '../broker.ts';
import type { CliContext } from '../context.ts';
import { problemLine, UsageError, type FileProblem } from '../errors.ts';
import { failureOf, refusalText } from '../failure.ts';
import { causeOf, mayHaveBeenDone, stopped } from '../unfinished.ts';
import { pathOf, POLICY } from './kinds.ts';
import { problemAt } from './manifest.ts';
import type { Change, DocumentPlan } from './plan.ts';
import { changeName } from './plan-text.ts';

type WriteChange = Exclude<Change, { readonly action: 'delete' }>;

const DONE = { create: 'created', change: 'changed', delete: 'deleted' } as const;

/** Policies are sent so many at once: the broker commits them together. */
const AT_ONCE = 32;

/**
 * Applies the changes of a plan in order, and stops at the first failure, because later documents may depend on earlier ones. Policies depend on no
 * other policy, so they are sent together once the first of them is applied.
 * @throws Failed or Interrupted, with the changes that were applied, not applied, and unknown
 */
export async function carryOut(
  { output, signal }: Pick<CliContext, 'output' | 'signal'>,
  broker: Broker,
  { changes }: DocumentPlan,
): Promise<void> {
  let done = 0;
  for (const step of stepsOf(changes)) {
    const outcomes = signal.aborted
      ? step.map((change) => ({ change, error: signal.reason as unknown, isSent: false }))
      : await Promise.all(step.map((change) => attempt(broker, change)));
    const failed = outcomes.filter((outcome) => 'error' in outcome);
    for (const { change } of outcomes.filter((outcome) => !('error' in outcome)))
      output.note(`${DONE[change.action]} ${changeName(change)}`);
    const [first] = failed;
    done += step.length - failed.length;
    if (first === undefined) continue;
    const isUnknown = ({ error, isSent }: Failure): boolean =>
      isSent && mayHaveBeenDone(causeOf(error, signal));
    const unknown = failed.filter(isUnknown).map(({ change }) => change);
    const refused = failed.filter((each) => !isUnknown(each)).map(({ change }) => change);
    const later = changes.slice(done + failed.length);
    const cause = causeOf(first.error, signal);
    const progress = progressOf(done, unknown, [...refused, ...later]);
    throw stopped(cause, progress, whyOf(cause, first.change));
  }
}

interface Failure {
  readonly change: Change;
  readonly error: unknown;
  readonly isSent: boolean;
}

async function attempt(
  broker: Broker,
  change: Change,
): Promise<Failure | { readonly change: Change }> {
  try {
    await applyOne(broker, change);
    return { change };
  } catch (error) {
    return { change, error, isSent: true };
  }
}

/** The changes that are sent at once, in order. */
function stepsOf(changes: readonly Change[]): readonly (readonly Change[])[] {
  const steps: Change[][] = [];
  let policies = 0;
  for (const change of changes) {
    policies = change.kind === POLICY ? policies + 1 : 0;
    const step = steps.at(-1);
    if (policies <= 2 || step === undefined || step.length === AT_ONCE) steps.push([change]);
    else step.push(change);
  }
  return steps;
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

/** What the broker answers to a definition whose mount is not there yet. */
const NO_MOUNT = 'no mount covers this path';
const REFUSED: readonly number[] = [400, 409, 412];

/**
 * Has the broker check every change without making it, so that no plan fails half way. A definition below a mount that the same plan creates
 * can be checked only in itself. @throws UsageError with all problems at their lines
 */
export async function checkPlan(broker: Broker, { changes }: DocumentPlan): Promise<void> {
  const prefixes = changes.flatMap(newPrefix);
  const writes = changes.filter((change) => change.action !== 'delete');
  const problems: FileProblem[] = [];
  for (let at = 0; at < writes.length; at += AT_ONCE) {
    const some = writes.slice(at, at + AT_ONCE);
    const found = await Promise.all(some.map((change) => checkOne(broker, change, prefixes)));
    problems.push(...found.flat());
  }
  if (problems.length > 0) throw new UsageError('the broker refuses these documents', problems);
}

async function checkOne(
  broker: Broker,
  change: WriteChange,
  prefixes: readonly string[],
): Promise<readonly FileProblem[]> {
  try {
    await applyOne(broker, change, { dryRun: 'true' });
    return [];
  } catch (error) {
    if (!(error instanceof ApiError) || !REFUSED.includes(error.status)) throw error;
    const isExpected =
      error.detail?.startsWith(NO_MOUNT) === true &&
      prefixes.some((prefix) => change.name.startsWith(`${prefix}/`));
    return isExpected ? [] : problemsAt(error, change);
  }
}

/** The prefix of a mount that the plan creates or changes. */
function newPrefix(change: Change): readonly string[] {
  if (change.kind.word !== 'mount' || change.action === 'delete') return [];
  const { prefix } = change.manifest.body as { readonly prefix?: unknown };
  return typeof prefix === 'string' ? [prefix] : [];
}

function problemsAt(error: ApiError, { manifest }: WriteChange): readonly FileProblem[] {
  const { source, bodyPointer } = manifest;
  const { problems = [], code, detail, title } = error;
  if (problems.length === 0) {
    return [problemAt(source, bodyPointer, `${code}: ${detail ?? title}`)];
  }
  return problems.map(({ pointer, message }) =>
    problemAt(source, `${bodyPointer}${pointer}`, message),
  );
}

async function applyOne(
  broker: Broker,
  change: Change,
  query?: LooseInput['query'],
): Promise<void> {
  const { kind, name } = change;
  const path = pathOf(kind, name);
  if (change.action === 'delete') {
    await callWith(broker, kind.remove, { path, headers: { 'If-Match': change.etag } });
    return;
  }
  const headers: Record<string, string> =
    change.action === 'create' ? { 'If-None-Match': '*' } : { 'If-Match': change.etag };
  await callWith(broker, kind.put, {
    path,
    headers,
    body: change.manifest.body,
    ...(query !== undefined && { query }),
  });
}

function whyOf(error: unknown, change: Change): string {
  const why =
    error instanceof ApiError ? refusalText(error, placesOf(error, change)) : failureOf(error).text;
  return `${changeName(change)}: ${why}`;
}

/** The problems that the broker found, at the lines of the file. */
function placesOf(error: ApiError, change: Change): readonly string[] {
  const { problems = [] } = error;
  if (change.action === 'delete') return [];
  return problems.length === 0 ? [] : problemsAt(error, change).map(problemLine);
}
