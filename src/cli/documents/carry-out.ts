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

/** Requests in flight. The broker commits together what arrives meanwhile. */
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
  let [done, sent] = [0, 0];
  const failed: Failure[] = [];
  for (const step of stepsOf(changes)) {
    await eachOf(step, async (change) => {
      if (signal.aborted || failed.length > 0) return;
      sent += 1;
      try {
        await applyOne(broker, change);
        done += 1;
        output.note(`${DONE[change.action]} ${changeName(change)}`);
      } catch (error) {
        failed.push({ change, error });
      }
    });
  }
  const [next] = changes.slice(sent);
  const first = failed[0] ?? (next && { change: next, error: signal.reason as unknown });
  if (first === undefined) return;
  const isUnknown = ({ error }: Failure): boolean => mayHaveBeenDone(causeOf(error, signal));
  const unknown = failed.filter(isUnknown).map(({ change }) => change);
  const refused = failed.filter((each) => !isUnknown(each)).map(({ change }) => change);
  const cause = causeOf(first.error, signal);
  const progress = progressOf(done, unknown, [...refused, ...changes.slice(sent)]);
  throw stopped(cause, progress, whyOf(cause, first.change));
}

/** A change that was sent and not confirmed. */
interface Failure {
  readonly change: Change;
  readonly error: unknown;
}

/**
 * Works on the items in order, on some of them at a time, and begins no other after an error. Steps of a fixed size would wait for the slowest of
 * each.
 */
async function eachOf<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const left = items.values();
  let hasFailed = false;
  const worker = async (): Promise<void> => {
    for (const item of left) {
      if (hasFailed) return;
      await work(item).catch((error: unknown) => {
        hasFailed = true;
        throw error;
      });
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}

/** The changes that may be in flight together, in order. */
function stepsOf(changes: readonly Change[]): readonly (readonly Change[])[] {
  const steps: Change[][] = [];
  let policies = 0;
  for (const change of changes) {
    policies = change.kind === POLICY ? policies + 1 : 0;
    const step = steps.at(-1);
    if (policies <= 2 || step === undefined) steps.push([change]);
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
  const problems = new Map<WriteChange, readonly FileProblem[]>();
  await eachOf(writes, async (change) => {
    problems.set(change, await checkOne(broker, change, prefixes));
  });
  const found = writes.flatMap((change) => problems.get(change) ?? []);
  if (found.length > 0) throw new UsageError('the broker refuses these documents', found);
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
