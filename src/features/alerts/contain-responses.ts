import { scopeFence } from '../../domain/identity/quarantine.ts';
import { ALERTS } from '../../ports/queries.ts';
import { listAll } from '../../broker/kernel/list-all.ts';
import { commitDecided, SystemActor, type Attempt } from '../../broker/recording/record.ts';
import {
  endSelected,
  NOTHING_ENDED,
  systemEnding,
  type Ended,
} from '../../broker/sessions/end-selected.ts';
import { factsOf, isLastAdmin, selectorOf } from '../../broker/sessions/quarantines.ts';
import type { Access, Bounds, Recording, Work } from '../../broker/state/dependencies.ts';
import type { Streams } from '../../broker/state/event-streams.ts';
import {
  alertAnnounced,
  alertRow,
  creatorOf,
  DECOY,
  openAlert,
  unchanged,
  updateAlert,
  type AlertRecord,
} from './alert-record.ts';
import type { Alerting } from './alerting.ts';
import type { Enforcing } from './enforcement.ts';
import { factsOfAlert, quarantineEvents, withPosture } from './receive-alerts.ts';
import { beginResponse, limitFence } from './respond.ts';
import { isGone } from './response-limits.ts';

type Parts = Recording &
  Access &
  Alerting &
  Streams &
  Pick<Bounds, 'limits'> &
  Pick<Work, 'log'> &
  Partial<Enforcing>;

/** Responses that are contained at the same time: a slow one must not delay the next. */
const TOGETHER = 8;
const FIRST_RETRY_MS = 500;
const LONGEST_RETRY_MS = 30_000;
/** The quarantine of a pod that is gone ends after this time. */
const GONE_MS = 86_400_000;
/** Quarantines that one commit changes. */
const ROWS = 50;

/** Responses that failed, with the monotonic time of their next attempt. */
type Failures = Map<string, { readonly tries: number; readonly at: number }>;

/** The first pass: cuts off the scope of every new response. */
export class Containment {
  readonly #parts: Parts;
  readonly #failures: Failures = new Map();

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** Contains all responses that wait, also if some of them fail. Returns how many it contained. */
  async round(signal: AbortSignal): Promise<number> {
    let contained = 0;
    let waiting: Promise<boolean>[] = [];
    const seen = new Set<string>();
    for await (const row of listAll(this.#parts.store, ALERTS.inState('responding'))) {
      if (signal.aborted) break;
      seen.add(row.id);
      if (this.#isResting(row.id)) continue;
      waiting.push(this.#contain(openAlert(row)));
      if (waiting.length < TOGETHER) continue;
      contained += (await Promise.all(waiting)).filter(Boolean).length;
      waiting = [];
    }
    contained += (await Promise.all(waiting)).filter(Boolean).length;
    for (const id of this.#failures.keys()) if (!seen.has(id)) this.#failures.delete(id);
    return contained;
  }

  #isResting(id: string): boolean {
    return (this.#failures.get(id)?.at ?? 0) > this.#parts.clock.monotonic();
  }

  async #contain(record: AlertRecord): Promise<boolean> {
    const { log, clock } = this.#parts;
    try {
      await contain(this.#parts, record);
      this.#failures.delete(record.id);
      return true;
    } catch (error) {
      const tries = (this.#failures.get(record.id)?.tries ?? 0) + 1;
      const wait = Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(tries, 10));
      this.#failures.set(record.id, { tries, at: clock.monotonic() + wait });
      log.error(
        { err: error, alert: record.id },
        'could not cut off the scope of an alert; retrying',
      );
      return false;
    }
  }
}

/** Cuts off the scope of a response, and ends its sessions and leases. Each step can be repeated. */
async function contain(parts: Parts, found: AlertRecord): Promise<void> {
  const actor = new SystemActor(parts, creatorOf(found.source));
  const record = await cutOff(parts, actor, found);
  if (record === undefined) return;
  const ended = record.ended ?? (await endAll(parts, actor, record));
  const nextAttemptAt = parts.clock.now();
  await updateAlert(parts, record.id, (current) =>
    current.state === 'responding'
      ? { ...current, ended, state: 'contained', nextAttemptAt }
      : undefined,
  );
}

/**
 * Cuts off the reader of a decoy. The read has no quarantine yet, and the limits were not applied: the answer must not take longer than for another secret.
 * Every other response began with its quarantines. Undefined if the response waits for an operator now, or protects the last admin.
 */
async function cutOff(
  parts: Parts,
  actor: SystemActor,
  record: AlertRecord,
): Promise<AlertRecord | undefined> {
  const { source, operator, quarantines, ended, endedAt, scopes } = record;
  const isBegun = quarantines.length > 0 || (ended ?? endedAt ?? operator) !== undefined;
  if (source !== DECOY || isBegun) return record;
  const [scope] = scopes;
  if (scope?.kind === 'operator' && isLastAdmin(parts, scope.subject)) {
    await updateAlert(parts, record.id, (current) => ({
      ...current,
      state: 'kept',
      held: 'protected',
    }));
    return undefined;
  }
  return parts.alertTallies.turns.run(source, () =>
    commitDecided(parts, async (decidedAt): Promise<Attempt<AlertRecord | undefined>> => {
      const { record: begun, rows } = await beginResponse(parts, withPosture(parts, record));
      const isCutOff = begun.state === 'responding';
      const fence = limitFence(source);
      return {
        plan: {
          decidedAt,
          reads: [fence],
          expect: [...rows.expect, unchanged(record)],
          writes: [...rows.writes, { table: 'alerts', put: alertRow(begun) }],
          invalidates: [
            ...rows.invalidates,
            ...(isCutOff ? [fence] : []),
            ...alertAnnounced(begun),
          ],
          urgent: true,
          entries: quarantineEvents(begun).map((event) => actor.entry(event)),
        },
        settle: () => (isCutOff ? begun : undefined),
      };
    }),
  );
}

async function endAll(parts: Parts, actor: SystemActor, record: AlertRecord): Promise<Ended> {
  const cause = record.response.action === 'quarantine' ? 'quarantined' : 'alert';
  const endings = [NOTHING_ENDED];
  for (const scope of record.scopes) {
    const selector = selectorOf(scope);
    if (selector === undefined) continue;
    endings.push(await endSelected(systemEnding(parts, actor, cause), selector));
  }
  return endings.reduce((sum, each) => ({
    sessions: sum.sessions + each.sessions,
    revoked: sum.revoked + each.revoked,
    revoking: sum.revoking + each.revoking,
    streams: sum.streams + each.streams,
  }));
}

/** Saves the counts of repeated alerts. */
export async function saveRepeats(parts: Parts): Promise<void> {
  const { floods } = parts.alertTallies;
  for (const [id, repeats] of floods.takeRepeats()) {
    const { count, lastAt } = repeats;
    const entry = (record: AlertRecord): string => {
      const actor = new SystemActor(parts, creatorOf(record.source));
      const facts = { ...factsOfAlert(record), cause: 'joined', count };
      return actor.entry({ action: 'alert.receive', outcome: 'ok', ...facts });
    };
    try {
      const saved = await updateAlert(
        parts,
        id,
        (current) => ({ ...current, count: (current.count ?? 1) + count, lastAt }),
        (next) => [entry(next)],
      );
      const isKept = saved !== undefined || (await parts.store.get('alerts', { id })) === undefined;
      if (!isKept) floods.giveBack(id, repeats);
    } catch (error) {
      floods.giveBack(id, repeats);
      parts.log.error({ err: error, alert: id }, 'could not save a count of alerts; retrying');
    }
  }
}

/** Gives the quarantines of pods that are gone an end: they count for no limit, and their UID never comes back. */
export async function endGone(parts: Parts): Promise<void> {
  const { quarantines, clock, store } = parts;
  const gone = quarantines
    .inForce()
    .filter(
      (each) =>
        each.endsAt === undefined &&
        each.createdBy.startsWith(creatorOf('')) &&
        isGone(parts, each),
    )
    .slice(0, ROWS);
  if (gone.length === 0) return;
  const endsAt = clock.now() + GONE_MS;
  const actor = new SystemActor(parts, 'quarantines');
  await store.commit({
    expect: gone.map(({ kind, subject, id }) => ({
      table: 'quarantines',
      key: { kind, subject },
      match: { id, ends_at: null },
    })),
    writes: gone.map((each) => ({
      table: 'quarantines',
      put: quarantines.rowOf({ ...each, endsAt }),
    })),
    invalidates: gone.map((each) => `quarantine:${scopeFence(each)}`),
    entries: gone.map(({ id: quarantine, responseId: alert, ...scope }) =>
      actor.entry({
        action: 'quarantine.create',
        outcome: 'ok',
        ...factsOf(scope),
        quarantine,
        alert,
        cause: 'pod_ended',
        endsAt,
      }),
    ),
  });
}
