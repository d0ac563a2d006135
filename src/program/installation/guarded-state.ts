import { cureOf, HELD } from '../../domain/conditions.ts';
import { LogAnchor } from '../../audit/log/log-anchor.ts';
import type { LogIdentity } from '../../audit/records/log-identity.ts';
import { readLoggedState, type LoggedState } from '../../audit/log/logged-state.ts';
import { KeyringRowMacs } from '../../broker/kernel/row-macs.ts';
import { SystemActor } from '../../broker/recording/record.ts';
import { BrokerError } from '../../domain/errors.ts';
import { sha256Hex } from '../../crypto/hashes/digest.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Log } from '../../ports/log.ts';
import type { Store } from '../../ports/store.ts';
import { RowGuard, type HeldRows } from '../../store/guard/row-guard.ts';
import {
  acceptState,
  checkState,
  createDigests,
  type KeepMatched,
  type StateReport,
} from '../../store/guard/state-check.ts';
import type { InstallationKeys } from '../../broker/keys/installation-keys.ts';

export interface StateDeps {
  readonly clock: Clock;
  readonly log: Log;
}

/** Creates the guard of a store's rows before there are keys. Nothing guarded can be written until `openState`. */
export function createGuard({ clock, log }: StateDeps): RowGuard {
  const actor = new SystemActor({ clock, digest: sha256Hex }, 'store');
  const guard = new RowGuard({
    entry: () => actor.entry({ action: 'state.digest', outcome: 'ok', cause: 'rows_changed' }),
  });
  guard.onHold(({ reason, what }) => {
    const condition = HELD[reason];
    const text = condition === undefined ? reason : `${condition.what}; ${cureOf(condition)}`;
    log.error({ reason, what }, `the store is held, so nothing is served: ${text}`);
  });
  return guard;
}

interface OpeningState {
  readonly keys: InstallationKeys;
  readonly identity: LogIdentity;
  readonly clock: Clock;
  readonly log: Log;
}

/** Reads the state digests that the log names. @throws ERR_CIPHERTEXT_INVALID if the log is damaged. */
function readLogged(store: Store, { keys, identity, clock }: OpeningState): Promise<LoggedState> {
  const anchor = new LogAnchor(new KeyringRowMacs(keys.keyring));
  return readLoggedState(store, { log: identity, anchor, clock });
}

/**
 * Compares all guarded rows with their digests and with the log, and holds the store if they differ. A new installation gets its first digests. The
 * log must already contain the entry of this boot.
 */
export async function openState(
  store: Store,
  guard: RowGuard,
  opening: OpeningState & { readonly keep?: KeepMatched },
): Promise<readonly HeldRows[]> {
  const { keep } = opening;
  const logged = (): Promise<LoggedState> => readLogged(store, opening);
  const check = (): Promise<StateReport> =>
    checkState(store, guard, {
      logged,
      ...(keep && { keep, later: ['secrets', 'secret_metadata'] }),
    }).catch(asProblem);
  const { clock, log } = opening;
  const actor = new SystemActor({ clock, digest: sha256Hex }, 'store');
  let report = await check();
  if (report.isNew) {
    const entry = actor.entry({ action: 'state.digest', outcome: 'ok', cause: 'first_digest' });
    await createDigests(store, guard, entry);
    report = await check();
  }
  const { problems, deferred } = report;
  for (const digest of deferred) guard.defer(digest);
  guard.enforce();
  guard.onHold(({ reason, what }) => {
    const fact = { action: 'broker.hold', outcome: 'error', cause: reason, comment: what } as const;
    store
      .commit({ entries: [actor.entry(fact)] })
      .catch((error: unknown) => log.warn({ err: error, what }, 'could not record a hold'));
  });
  for (const problem of problems) guard.hold(problem);
  return problems;
}

/** Reports a failed verification: then the log cannot show what the rows should be. */
function asProblem(error: unknown): StateReport {
  if (!(error instanceof BrokerError) || error.code !== 'ERR_CIPHERTEXT_INVALID') throw error;
  const what =
    'the log cannot say what the rows should be: its entries or checkpoints were altered';
  return {
    isNew: false,
    problems: [{ reason: 'rows_differ', kind: 'audit_batches', what, count: 1 }],
    deferred: [],
  };
}

/** The reason why the store is held, without row names, because health probes may see it. */
export interface HeldKind {
  readonly reason: string;
  /** The kind of row; absent if the log or the schema holds the store. */
  readonly kind?: string;
  /** The number of rows, or of differences if the rows are not known. */
  readonly count?: number;
}

export function heldKinds(
  { held }: { readonly held: string | undefined },
  guard: RowGuard,
): readonly HeldKind[] {
  const kinds = new Map<string, Required<HeldKind>>();
  for (const { reason, kind, count } of guard.holds) {
    const name = `${reason} ${kind}`;
    kinds.set(name, { reason, kind, count: count + (kinds.get(name)?.count ?? 0) });
  }
  return [...(held === undefined ? [] : [{ reason: held }]), ...kinds.values()];
}

/** Describes the problems for an operator. */
export function textOf(problems: readonly HeldRows[]): string {
  const each = problems.map(({ what }) => what).join('; ');
  return `rows of the store are not as the broker left them (${each}): compare with a backup, then run "quaymaster release"`;
}

interface ReleasedState {
  readonly store: Store;
  readonly guard: RowGuard;
  readonly opening: OpeningState;
  readonly comment: string;
}

/** Accepts rows that differ from their digests. Returns them by name and with counts; no lines if none differ. @throws ERR_HELD */
export async function releaseRows(released: ReleasedState): Promise<readonly string[]> {
  const { store, guard, opening, comment } = released;
  const { problems } = await checkState(store, guard, {
    logged: () => readLogged(store, opening),
  });
  if (problems.length === 0) return [];
  const logged = await readLogged(store, opening);
  const actor = new SystemActor({ clock: opening.clock, digest: sha256Hex }, 'broker');
  const cause = problems.map(({ what }) => what).join('; ');
  const entry = actor.entry({ action: 'broker.release', outcome: 'ok', cause, comment });
  const digests = await acceptState(store, guard, { logged, entry });
  return [
    'released: rows of the store were not as the broker left them',
    ...problems.map(({ reason, what }) => `  ${reason}: ${what}`),
    'accepted: the rows as they are now',
    ...digests.map(({ kind, count }) => `  ${kind}: ${count} rows`),
  ];
}
