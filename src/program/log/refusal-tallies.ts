import { Refusals, type RefusalLimits, type RefusalSummary } from '../../audit/base/refusals.ts';
import { SystemActor } from '../../broker/recording/record.ts';
import type { Config } from '../config/schema.ts';
import { sha256Hex } from '../../crypto/hashes/digest.ts';
import { encodeClient, type AuditAction } from '../../domain/audit/audit-event.ts';
import { BrokerError, type ErrorCode } from '../../domain/errors.ts';
import type { Clock } from '../../ports/clock.ts';
import type { RefusalCounts } from '../../ports/refusal-tally.ts';
import type { Log } from '../../ports/log.ts';
import type { Store } from '../../ports/store.ts';

/** The number of kinds of refusals (by action, path and reason) that the summaries of one caller distinguish. */
const KINDS_PER_CALLER = 32;
/** Limit of single entries of all callers in a window, at least ten times the limit of one kind. */
const ENTRIES_OF_CALLERS = 1_000;
const ROWS_OF_CALLERS = 1_024;
/** All networks together may have as many single entries in a window as this many networks: an attacker has many addresses. */
const NETWORKS_WITH_ENTRIES = 10;
/** Limit of networks with a summary each; further networks share one. */
const NETWORKS_APART = 256;

interface Deps {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
}

/** The counts of refusals without their own audit entry. Unauthenticated clients are counted by network, callers by identity and kind of refusal. */
export class RefusalTallies {
  readonly refusals: Refusals;
  readonly denials: Refusals;
  /** Counts for the metrics, by action, code and reason. */
  readonly counts = new CountedRefusals();

  constructor({ audit }: Config, deps: Deps) {
    const { clock } = deps;
    const actor = new SystemActor({ clock, digest: sha256Hex }, 'refusals');
    const record = (summaries: readonly RefusalSummary[]): Promise<void> =>
      recordSummaries(actor, summaries, deps);
    const { refusals, denials } = limitsOf(audit);
    this.refusals = new Refusals(refusals, clock, record);
    this.denials = new Refusals(denials, clock, record);
  }

  limit(audit: Config['audit']): void {
    const { refusals, denials } = limitsOf(audit);
    this.refusals.limit(refusals);
    this.denials.limit(denials);
  }

  /** Records all counts before the process stops. */
  async flush(): Promise<void> {
    await Promise.all([this.refusals.flush(), this.denials.flush()]);
  }
}

function limitsOf({ refusals, denials }: Config['audit']): {
  readonly refusals: RefusalLimits;
  readonly denials: RefusalLimits;
} {
  return {
    refusals: {
      ...refusals,
      kindsPerHolder: 1,
      entriesInAll: refusals.entriesPerWindow * NETWORKS_WITH_ENTRIES,
      rowsInAll: NETWORKS_APART,
    },
    denials: {
      ...denials,
      kindsPerHolder: KINDS_PER_CALLER,
      entriesInAll: Math.max(denials.entriesPerWindow * 10, ENTRIES_OF_CALLERS),
      rowsInAll: ROWS_OF_CALLERS,
    },
  };
}

/**
 * Reasons that the metrics show; all others count as `other`. A closed list bounds the number of series, whatever a backend or a provider reports.
 */
const REASONS: ReadonlySet<string> = new Set([
  'aud_mismatch',
  'aud_missing',
  'bad_alg',
  'bad_crit',
  'bad_kid',
  'bad_signature',
  'bad_typ',
  'certificate_missing',
  'certificate_of_authority',
  'certificate_usage',
  'claim_invalid',
  'claim_mismatch',
  'deleted',
  'denial_rate',
  'denied_by_rule',
  'claim_missing',
  'duplicate_claim',
  'event_streams',
  'exp_invalid',
  'expired',
  'identity_invalid',
  'iss_mismatch',
  'key_not_trusted',
  'lease_quota',
  'lease_revoked',
  'legacy_token',
  'lifetime_exceeded',
  'malformed',
  'multi_aud',
  'no_mount',
  'no_role',
  'login_finished',
  'no_route',
  'no_rule',
  'not_a_service_account',
  'not_canonical',
  'not_yet_valid',
  'pod_required',
  'quarantined',
  'review_aud',
  'review_refused',
  'token_bound',
  'too_large',
  'unknown_cluster',
  'watch_stale',
  'watch_too_short',
]);

/** Refusals by action, code and reason. All three are closed sets of words, so the number of counts is bounded. */
export class CountedRefusals implements RefusalCounts {
  readonly #counts = new Map<string, Refusal>();

  count(action: AuditAction, code: ErrorCode, given: string | undefined): void {
    const reason = given === undefined || !REASONS.has(given) ? 'other' : given;
    const key = `${action} ${code} ${reason}`;
    const known = this.#counts.get(key);
    if (known === undefined) this.#counts.set(key, { action, code, reason, count: 1 });
    else known.count += 1;
  }

  all(): Iterable<Readonly<Refusal>> {
    return this.#counts.values();
  }
}

interface Refusal {
  readonly action: AuditAction;
  readonly code: ErrorCode;
  readonly reason: string;
  count: number;
}

async function recordSummaries(
  actor: SystemActor,
  summaries: readonly RefusalSummary[],
  { store, log }: Deps,
): Promise<void> {
  try {
    await store.commit({ entries: summaries.map((summary) => entryOf(actor, summary)) });
  } catch (error) {
    const refused = summaries.reduce((sum, { count }) => sum + count, 0);
    const counted = { summaries: summaries.length, refused };
    // A held store records nothing, and the start has said so.
    if (BrokerError.from(error).code === 'ERR_HELD')
      log.warn(counted, 'the store is held, so refusals were counted but not recorded');
    else
      log.error(
        { err: error, ...counted },
        'refusals were counted but their summaries could not be recorded',
      );
  }
}

function entryOf(system: SystemActor, { refused, ...counted }: RefusalSummary): string {
  const { outcome, action, code, reason, path, network, actor } = refused;
  return system.refusal({
    action: 'request.refused_summary',
    ...(actor !== undefined && { actor }),
    ...(network !== undefined && { client: encodeClient({ address: network }, sha256Hex) }),
    outcome,
    code,
    reason,
    path,
    refused: action,
    ...counted,
  });
}
