import type { Call } from '../broker/access/call.ts';
import { endLeases } from '../broker/state/end-leases.ts';
import { openLease } from '../broker/state/lease-rows.ts';
import { listAll } from '../broker/kernel/list-all.ts';
import type { Access, Recording, Rights, Storage, Work } from '../broker/state/dependencies.ts';
import { recordFailure } from '../broker/recording/operation.ts';
import { type Attempt, commitAs, entryOf } from '../broker/recording/record.ts';
import { refusalEntry } from '../broker/recording/refusals.ts';
import { refusalOf, judge, type Verdict } from '../broker/access/judge.ts';
import type { LiveSession } from '../broker/state/session-memory.ts';
import { BrokerError } from '../domain/errors.ts';
import type { Lease } from '../domain/secrets/lease.ts';
import { parseSecretPath } from '../domain/words/names.ts';
import { workloadId } from '../domain/identity/workload.ts';
import type { Expectation, Plan, PlanFragment, Write } from '../ports/store.ts';
import { LEASES } from '../ports/queries.ts';
import { activeRotation } from './rotation-row.ts';

/** A holder's report on the version it uses: its application works with it, or does not. */
export interface Acknowledgement {
  readonly path: string;
  readonly version: string;
  readonly outcome: 'ok' | 'failed';
  /** The holder's own reason for the failure. */
  readonly reason?: string | undefined;
}

export interface Acknowledged {
  readonly path: string;
  readonly version: string;
  readonly outcome: 'ok' | 'failed';
  /** Number of leases on older versions that this report ended. */
  readonly ended: number;
}

type Result = Acknowledged | BrokerError;

/** One item with its planned changes, before it is recorded. */
interface Prepared {
  readonly result: Result;
  /** Makes the audit entry; undefined for a refusal that was only counted. */
  readonly entry: () => string | undefined;
  readonly fragment: PlanFragment;
}

const NOTHING: PlanFragment = { expect: [], writes: [], invalidates: [] };

/**
 * Records which version the caller uses. A version in use ends the caller's leases on older versions, so that a rotation sees who still holds the old
 * one. A failure is only a report. Each item is decided, recorded and answered separately; all commit together.
 */
export async function acknowledgeVersions(
  parts: Recording & Access & Pick<Work, 'rotationsDue'>,
  call: Call,
  live: LiveSession,
  items: readonly Acknowledgement[],
): Promise<readonly Result[]> {
  for (const { path } of items) parseSecretPath(path);
  const results = await record(parts, call, live, items);
  for (const result of results) {
    if (!(result instanceof BrokerError)) await wakeWaitingRotation(parts, result.path);
  }
  return results;
}

async function record(
  parts: Recording & Access,
  call: Call,
  live: LiveSession,
  items: readonly Acknowledgement[],
): Promise<readonly Result[]> {
  return commitAs(parts, live, async (decidedAt, holder): Promise<Attempt<readonly Result[]>> => {
    const prepared = await Promise.all(
      items.map((item, index) => prepare(parts, call, holder, { item, index })),
    );
    const planned = (): Plan => ({
      decidedAt,
      reads: holder.fences,
      notAfter: holder.session.endsAt,
      expect: prepared.flatMap(({ fragment }) => fragment.expect),
      writes: prepared.flatMap(({ fragment }) => fragment.writes),
      invalidates: [...new Set(prepared.flatMap(({ fragment }) => fragment.invalidates))],
      entries: prepared.flatMap(({ entry }) => entry() ?? []),
    });
    const refuses = prepared.some(({ result }) => result instanceof BrokerError);
    return {
      plan: refuses ? planned : planned(),
      settle: () => prepared.map(({ result }) => result),
    };
  }).catch((error: unknown) =>
    recordFailure({ parts, call, caller: live }, items.map(described), error),
  );
}

function described({ path, version, outcome, reason }: Acknowledgement, item: number) {
  const cause = outcome === 'ok' ? 'in_use' : 'failed';
  const action = 'secret.acknowledge';
  return { action, path, version, item, cause, comment: reason } as const;
}

async function prepare(
  parts: Recording & Rights,
  call: Call,
  live: LiveSession,
  { item, index }: { readonly item: Acknowledgement; readonly index: number },
): Promise<Prepared> {
  const { path, version, outcome } = item;
  const facts = described(item, index);
  const verdict: Verdict = judge(parts, call, live, { capability: 'read', path });
  try {
    if (!verdict.allowed) throw refusalOf(verdict);
    const { held, older } = await ownLeases(parts, live, item);
    const left = outcome === 'ok' ? older : [];
    return {
      result: { path, version, outcome, ended: left.length },
      entry: () =>
        entryOf(parts, call, live, {
          ...facts,
          outcome: 'ok',
          lease: held.id,
          policy: verdict.policy,
          count: left.length,
        }),
      fragment: changes(parts, live, item, { held, left }),
    };
  } catch (error) {
    const failure = BrokerError.from(error);
    const { policy } = verdict;
    const entry = (): string | undefined =>
      refusalEntry(parts, { call, caller: live }, { ...facts, policy }, failure);
    return { result: failure, entry, fragment: NOTHING };
  }
}

/** @throws ERR_CONFLICT unless the caller holds this version: a version that was never delivered cannot be in use. */
async function ownLeases(
  parts: Storage,
  live: LiveSession,
  { path, version }: Acknowledgement,
): Promise<{ readonly held: Lease; readonly older: readonly Lease[] }> {
  const now = parts.clock.now();
  const standing: Lease[] = [];
  const own = LEASES.liveOfSessionAndPath(live.session.id, path);
  for await (const row of listAll(parts.store, own)) {
    if (row.kind === 'static' && row.ends_at > now) standing.push(openLease(row));
  }
  // Two leases on one version belong to different locators if the definition changed in between: the newer one is in use.
  const held = standing
    .filter((lease) => lease.version === version)
    .sort((left, right) => right.issuedAt - left.issuedAt)[0];
  if (held === undefined) {
    throw new BrokerError(
      'ERR_CONFLICT',
      'this session has no lease on that version; read it first',
      {
        reason: 'not_held',
      },
    );
  }
  const older = standing.filter(
    (lease) =>
      (lease.version !== version || lease.generation !== held.generation) &&
      lease.issuedAt <= held.issuedAt,
  );
  return { held, older };
}

function changes(
  parts: Pick<Storage, 'clock'>,
  { session }: LiveSession,
  { path, version, outcome, reason }: Acknowledgement,
  { held, left }: { readonly held: Lease; readonly left: readonly Lease[] },
): PlanFragment {
  const { workload } = session;
  const said: Write = {
    table: 'acknowledgements',
    put: {
      session_id: session.id,
      path,
      workload: workloadId(workload),
      cluster: workload.cluster,
      pod_uid: workload.pod?.uid ?? null,
      version,
      outcome,
      reason: reason ?? null,
      at: parts.clock.now(),
    },
  };
  const stands: Expectation = { table: 'leases', key: { id: held.id }, match: { state: 'live' } };
  const ending = endLeases(parts, left, 'superseded');
  return {
    expect: [stands, ...ending.expect],
    writes: [said, ...ending.writes],
    invalidates: ending.invalidates,
  };
}

/** Makes a rotation that waits for reports due now. Changes nothing if a process is working on it, or if the path has no rotation in progress. */
async function wakeWaitingRotation(
  parts: Storage & Pick<Work, 'rotationsDue'>,
  path: string,
): Promise<void> {
  const { store, clock, rotationsDue } = parts;
  const row = await activeRotation(store, path);
  if (row?.state !== 'running' || (row.step !== 'settle' && row.step !== 'canary')) return;
  const { epoch, step, next_attempt_at } = row;
  // A rotation that waits for an operator keeps waiting, but complaints of several holders are still evaluated.
  const { status } = await store.commit({
    expect: [
      {
        table: 'rotations',
        key: { id: row.id },
        match: { owner: null, epoch, step, next_attempt_at },
      },
    ],
    writes: [{ table: 'rotations', key: { id: row.id }, change: { next_attempt_at: clock.now() } }],
  });
  if (status === 'committed') rotationsDue.ring();
}
