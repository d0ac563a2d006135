import { ApiError } from '../../client/index.ts';
import { callWith, type Broker, type LooseInput } from '../connection/broker.ts';
import type { CliContext } from '../connection/context.ts';
import { problemLine, UsageError, type FileProblem } from '../kernel/errors.ts';
import { failureOf, refusalText } from '../output/failure.ts';
import { causeOf, mayHaveBeenDone, stopped } from '../output/unknown-outcome.ts';
import { pathOf } from './kinds.ts';
import { problemAt } from './manifest.ts';
import type { Change, DocumentPlan } from './plan.ts';
import { changeName } from './plan-text.ts';

type WriteChange = Exclude<Change, { readonly action: 'delete' }>;

const DONE = { create: 'created', change: 'changed', delete: 'deleted' } as const;

/**
 * Applies the changes of a plan in order, and stops at the first failure, because later documents may depend on earlier ones. Policies and definitions, of
 * which there may be thousands, are sent many at a time. Of an interrupted request it is unknown which of its changes were made, so all others are sent alone.
 * @throws Failed or Interrupted, with the changes that were applied, not applied, and unknown
 */
export async function applyPlan(
  { output, signal }: Pick<CliContext, 'output' | 'signal'>,
  broker: Broker,
  { changes }: DocumentPlan,
): Promise<void> {
  let [done, sent] = [0, 0];
  const failed: Failure[] = [];
  for (const batch of batchesOf(changes, isSentWith)) {
    if (signal.aborted || failed.length > 0) break;
    const errors = await sendAll(broker, batch);
    sent += errors.length;
    for (const [at, error] of errors.entries()) {
      const change = batch[at] as Change;
      if (error === undefined) output.note(`${DONE[change.action]} ${changeName(change)}`);
      else failed.push({ change, error });
    }
    done = sent - failed.length;
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

/** Bounds of one request, below the broker's. */
const MOST_DOCUMENTS = 200;
const MOST_BYTES = 900_000;
/** The broker refuses a larger document, and with it the whole request. */
const DOCUMENT_CHARACTERS = 65_536;

function isSentWith({ kind, action }: Change, previous: Change): boolean {
  const isCommon = kind.word === 'policy' || kind.word === 'definition';
  return isCommon && kind === previous.kind && action !== 'delete' && previous.action !== 'delete';
}

/** The changes that are sent in one request each, in order. */
function batchesOf<C extends Change>(
  changes: readonly C[],
  isTogether: (change: C, previous: C) => boolean,
): readonly (readonly C[])[] {
  const batches: C[][] = [];
  let bytes = 0;
  for (const change of changes) {
    const size = bytesOf(change);
    const last = batches.at(-1);
    const previous = last?.at(-1);
    const hasRoom =
      last !== undefined && last.length < MOST_DOCUMENTS && bytes + size <= MOST_BYTES;
    if (hasRoom && previous !== undefined && isTogether(change, previous)) {
      last.push(change);
      bytes += size;
    } else {
      batches.push([change]);
      bytes = size;
    }
  }
  return batches;
}

/**
 * Estimates the bytes of a change in a request, where the document is a text. A document that is too large fills its request, so
 * that no other is refused with it.
 */
function bytesOf(change: Change): number {
  if (change.action === 'delete') return 0;
  const text = JSON.stringify(change.manifest.body);
  return text.length > DOCUMENT_CHARACTERS ? MOST_BYTES : 2 * Buffer.byteLength(text);
}

/** Sends the changes in one request. @returns the error of each change that was tried; undefined if it was made */
async function sendAll(
  broker: Broker,
  batch: readonly Change[],
): Promise<readonly (Error | undefined)[]> {
  try {
    const [first] = batch;
    if (first?.action !== 'delete') return await applyAll(broker, batch.filter(isWrite));
    const { kind, name, etag } = first;
    const path = pathOf(kind, name);
    await callWith(broker, kind.remove, { path, headers: { 'If-Match': etag } });
    return [undefined];
  } catch (error) {
    return batch.map(() => error as Error);
  }
}

async function applyAll(
  broker: Broker,
  writes: readonly WriteChange[],
  query: LooseInput['query'] = {},
): Promise<readonly (ApiError | undefined)[]> {
  const documents = writes.map((change) => ({
    kind: change.kind.word,
    name: change.name,
    ...(change.action === 'create' ? { ifNoneMatch: '*' } : { ifMatch: change.etag }),
    document: JSON.stringify(change.manifest.body),
  }));
  const { body } = await callWith(broker, 'applyDocuments', { body: { documents }, query });
  const request = { id: 'applyDocuments', path: '/api/v1/documents:apply' };
  return body.items.map((item) =>
    'error' in item ? new ApiError(request, item.error) : undefined,
  );
}

function isWrite(change: Change): change is WriteChange {
  return change.action !== 'delete';
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

/** Message of the broker for a definition whose mount does not exist yet. */
const NO_MOUNT = 'no mount covers this path';
const REFUSED: readonly number[] = [400, 409, 412];

/**
 * Asks the broker to check every change without making it, so that no plan fails half way. A definition below a mount that the
 * same plan creates can be checked only in itself. @throws UsageError with all problems at their lines
 */
export async function checkPlan(
  { output }: Pick<CliContext, 'output'>,
  broker: Broker,
  { changes }: DocumentPlan,
): Promise<void> {
  const prefixes = changes.flatMap(newPrefix);
  const writes = changes.filter(isWrite);
  const problems: FileProblem[] = [];
  let checked = 0;
  for (const batch of batchesOf(writes, () => true)) {
    const errors = await applyAll(broker, batch, { dryRun: 'true' });
    for (const [at, change] of batch.entries()) {
      problems.push(...problemsOf(errors[at], change, prefixes));
    }
    checked += batch.length;
    if (writes.length > batch.length) output.progress(`checked ${checked} of ${writes.length}`);
  }
  output.endProgress();
  if (problems.length > 0) throw new UsageError('the broker refuses these documents', problems);
}

/** @throws the error if it is not about the document */
function problemsOf(
  error: ApiError | undefined,
  change: WriteChange,
  prefixes: readonly string[],
): readonly FileProblem[] {
  if (error === undefined) return [];
  if (!REFUSED.includes(error.status)) throw error;
  const hasMount = prefixes.some((prefix) => change.name.startsWith(`${prefix}/`));
  if (!hasMount) return problemsAt(error, change);
  if (error.detail?.startsWith(NO_MOUNT) === true) return [];
  return problemsAt(error, change).filter(({ message }) => !message.startsWith(NO_MOUNT));
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
