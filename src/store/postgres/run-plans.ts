import { BrokerError } from '../../domain/errors.ts';
import type { Outcome } from '../../ports/store.ts';
import type { PendingPlan } from '../commits/commit-queue.ts';
import {
  isGuarded,
  resolveWrites,
  selectsOf,
  type PlannedWrite,
  type ResolvedWrites,
} from '../commits/guarded-writes.ts';
import type { RowGuard, StoredRow } from '../guard/row-guard.ts';
import { POSTGRES, type Statement } from '../sql/sql.ts';
import type { StagedBatch } from '../commits/staged-batch.ts';
import { brokenUniqueness, isRefusedRow } from './postgres-fault.ts';
import { independentPlans } from './independent-plans.ts';
import type { Answer, WriterConnection } from './writer-connection.ts';

type Refusal = Outcome | BrokerError;
type Refusals = Map<PendingPlan, Refusal>;

const SAVE: Statement = { text: 'SAVEPOINT plan', values: [] };
const RELEASE: Statement = { text: 'RELEASE SAVEPOINT plan', values: [] };
const UNDO: Statement = { text: 'ROLLBACK TO SAVEPOINT plan', values: [] };

export interface RunOptions {
  readonly guard: RowGuard | undefined;
  /** The responses to `firstChecks`. */
  readonly answers: readonly Answer[];
  /** The last writes run now, so that a refused row is found before the COMMIT and its plan leaves the batch alone. */
  readonly isCareful: boolean;
}

/** The checks that can run as soon as the transaction is open. */
export function firstChecks(batch: readonly PendingPlan[]): readonly Statement[] {
  return independentPlans(batch).flatMap(({ planned }) => planned.expect);
}

/**
 * Runs the plans of a batch inside the open transaction, in order. @returns the writes that remain: they can be sent with the COMMIT.
 * @throws the driver's error if the whole batch must fail.
 */
export async function runPlans(
  connection: WriterConnection,
  batch: readonly PendingPlan[],
  staged: StagedBatch,
  { guard, answers, isCareful }: RunOptions,
): Promise<readonly Statement[]> {
  let known: readonly Answer[] | undefined = answers;
  for (let left = batch; left.length > 0;) {
    const wave = independentPlans(left);
    left = left.slice(wave.length);
    const run = guard === undefined ? undefined : guardedRun(wave, guard);
    if (run !== undefined) await run(connection, staged, known);
    else {
      const refusals = await checkPlans(connection, wave, staged, known);
      const good = wave.filter((pending) => !refusals.has(pending));
      // Digests are locked after all rows, so that two brokers cannot wait for each other.
      const isLast = left.length === 0 && staged.rows.length === 0 && !isCareful;
      if (!isLast) await write(connection, good, refusals);
      settle(wave, staged, refusals);
      if (isLast) return good.flatMap(({ planned }) => planned.writes);
    }
    known = undefined;
  }
  return [];
}

type GuardedRun = (
  connection: WriterConnection,
  staged: StagedBatch,
  known: readonly Answer[] | undefined,
) => Promise<void>;

/** Runs one plan that has rows with MACs or digests; undefined for all other plans. */
function guardedRun(
  [pending, ...more]: readonly PendingPlan[],
  guard: RowGuard,
): GuardedRun | undefined {
  if (pending === undefined || more.length > 0 || !isGuarded(pending.planned)) return undefined;
  return async (connection, staged, known) => {
    const { plan } = pending;
    const refusals = await checkPlans(connection, [pending], staged, known);
    const resolved = refusals.has(pending) ? NOTHING : await resolve(connection, pending, guard);
    if (resolved instanceof BrokerError) refusals.set(pending, resolved);
    else {
      const refusal = await writeAlone(connection, resolved.writes);
      if (refusal !== undefined) refusals.set(pending, refusal);
    }
    const refusal = refusals.get(pending);
    if (refusal !== undefined) staged.refuse(refusal);
    else if (!(resolved instanceof BrokerError)) staged.accept(plan, resolved.changes);
  };
}

const NOTHING: ResolvedWrites = { writes: [], changes: [] };

/** Locks and checks the rows that a plan affects, and computes their MACs. */
async function resolve(
  connection: WriterConnection,
  { planned }: PendingPlan,
  guard: RowGuard,
): Promise<ResolvedWrites | BrokerError> {
  const answers = await connection.pipeline(selectsOf(planned.writes));
  if (!isClean(answers)) throw firstError(answers);
  const found = answers.map((answer) =>
    answer.status === 'fulfilled' ? (answer.value.rows as StoredRow[]) : [],
  );
  try {
    return resolveWrites(POSTGRES, guard, planned.writes, found);
  } catch (error) {
    if (error instanceof BrokerError) return error;
    throw error;
  }
}

/** Each check locks its row until the commit, so that no other process can invalidate the check. */
async function checkPlans(
  connection: WriterConnection,
  wave: readonly PendingPlan[],
  staged: StagedBatch,
  known: readonly Answer[] | undefined,
): Promise<Refusals> {
  const refusals: Refusals = new Map();
  for (const pending of wave) {
    if (staged.isStale(pending.plan)) refusals.set(pending, { status: 'stale' });
  }
  const checks = wave.flatMap((pending) =>
    pending.planned.expect.map((expectation, index) => ({ pending, expectation, index })),
  );
  const answers =
    known ?? (await connection.pipeline(checks.map(({ expectation }) => expectation)));
  checks.forEach(({ pending, expectation, index }, position) => {
    const answer = answers[position];
    if (answer?.status !== 'fulfilled') throw firstError(answers);
    const present = answer.value.rows.length > 0;
    if (present === expectation.present || refusals.has(pending)) return;
    refusals.set(pending, { status: 'conflict', index });
  });
  return refusals;
}

function settle(wave: readonly PendingPlan[], staged: StagedBatch, refusals: Refusals): void {
  for (const pending of wave) {
    const refusal = refusals.get(pending);
    if (refusal === undefined) staged.accept(pending.plan);
    else staged.refuse(refusal);
  }
}

/** Writes all plans under one savepoint. If a row is refused, it repeats with one savepoint per plan, to find the plan at fault. */
async function write(
  connection: WriterConnection,
  plans: readonly PendingPlan[],
  refusals: Refusals,
): Promise<void> {
  const writing = plans.filter(({ planned }) => planned.writes.length > 0);
  if (writing.length === 0) return;
  const writes = writing.flatMap(({ planned }) => planned.writes);
  const answers = await connection.pipeline([SAVE, ...writes, RELEASE]);
  if (isClean(answers)) return;
  await undo(connection, answers);
  for (const pending of writing) {
    const refusal = await writeAlone(connection, pending.planned.writes);
    if (refusal !== undefined) refusals.set(pending, refusal);
  }
}

async function writeAlone(
  connection: WriterConnection,
  writes: readonly PlannedWrite[],
): Promise<Refusal | undefined> {
  const answers = await connection.pipeline([SAVE, ...writes, RELEASE]);
  if (isClean(answers)) return undefined;
  const error = await undo(connection, answers);
  const failed = answers.findIndex(({ status }) => status === 'rejected') - 1;
  return refusalOf(error, writes[failed]);
}

/** Rolls back to the savepoint. @returns the error of the refused row. @throws any other error: then the batch fails. */
async function undo(connection: WriterConnection, answers: readonly Answer[]): Promise<unknown> {
  const error = firstError(answers);
  if (!isRefusedRow(error)) throw error;
  const undone = await connection.pipeline([UNDO, RELEASE]);
  if (!isClean(undone)) throw firstError(undone);
  return error;
}

function refusalOf(error: unknown, write: PlannedWrite | undefined): Refusal {
  const constraint = brokenUniqueness(error);
  if (constraint === undefined) return new BrokerError('ERR_INTERNAL', undefined, { cause: error });
  // PostgreSQL's default suffix for primary keys. Here another process inserted the same row first.
  const isKey = constraint.endsWith('_pkey');
  return { status: 'conflict', index: isKey ? (write?.absence ?? -1) : -1 };
}

function isClean(answers: readonly Answer[]): boolean {
  return answers.every(({ status }) => status === 'fulfilled');
}

function firstError(answers: readonly Answer[]): unknown {
  const failed = answers.find((answer) => answer.status === 'rejected');
  return failed?.reason ?? new Error('no answer');
}
