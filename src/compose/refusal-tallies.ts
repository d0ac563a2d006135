import { Refusals, type RefusalSummary } from '../audit/refusals.ts';
import { SystemActor } from '../broker/recording/record.ts';
import type { Config } from './config/schema.ts';
import { sha256Hex } from '../crypto/digest.ts';
import { encodeClient } from '../domain/audit-event.ts';
import type { Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';
import type { Store } from '../ports/store.ts';

/** The number of kinds of refusals (by action, path and reason) that the summaries of one caller distinguish. */
const KINDS_PER_CALLER = 32;

interface Deps {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
}

/** The counts of refusals without their own audit entry. Unauthenticated clients are counted by network, callers by identity and kind of refusal. */
export class RefusalTallies {
  readonly refusals: Refusals;
  readonly denials: Refusals;

  constructor({ audit }: Config, deps: Deps) {
    const { clock } = deps;
    const actor = new SystemActor({ clock, digest: sha256Hex }, 'refusals');
    const record = (summaries: readonly RefusalSummary[]): Promise<void> =>
      recordSummaries(actor, summaries, deps);
    this.refusals = new Refusals({ ...audit.refusals, kindsPerHolder: 1 }, clock, record);
    const limits = { ...audit.denials, kindsPerHolder: KINDS_PER_CALLER };
    this.denials = new Refusals(limits, clock, record);
  }

  /** Records all counts before the process stops. */
  async flush(): Promise<void> {
    await Promise.all([this.refusals.flush(), this.denials.flush()]);
  }
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
    log.error(
      { err: error, summaries: summaries.length, refused },
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
    ...{ outcome, code, reason, path, refused: action },
    ...counted,
  });
}
