import type { AuditLog, PendingEntries } from '../../ports/audit-log.ts';
import { ALERTS } from '../../ports/queries.ts';
import type { Tables } from '../../ports/tables.ts';
import { Worker } from '../../broker/kernel/worker.ts';
import type { Access, Backends, Bounds, Recording, Work } from '../../broker/state/dependencies.ts';
import type { Streams } from '../../broker/state/event-streams.ts';
import { openAlert, type AlertRecord } from './alert-record.ts';
import type { Alerting } from './alerting.ts';
import { Containment, endGone, saveRepeats } from './contain-responses.ts';
import { replaceExposed } from './replace-exposed.ts';
import { pruneSeenPods } from './seen-pods.ts';

type Parts = Recording &
  Access &
  Alerting &
  Backends &
  Streams &
  Pick<Bounds, 'limits'> &
  Pick<Work, 'rotationsDue'> & { readonly audit: AuditLog };

const CONTAIN_EVERY_MS = 250;
const REPLACE_EVERY_MS = 500;
/** Rounds of the first pass between two looks at repeats, and at quarantines of pods that are gone. */
const SAVE_EVERY = 4;
const END_EVERY = 40;
/** Rounds of the second pass between two removals of old alerts. */
const PRUNE_EVERY = 20;
/** The same for the rows of pods that are gone. */
const PRUNE_PODS_EVERY = 600;
/** Due responses that one round of the second pass reads, and those that it continues. */
const MOST_DUE = 500;
const AT_ONCE = 50;
/** The log lags the last commit by a second, and by some more after a crash. Damage can keep it from growing at all. */
const LONGEST_LAG_MS = 120_000;
const MOST_LAGS = 10_000;
/** Limit of alerts; above it, the oldest are deleted. Their entries stay in the log. */
const MOST_ALERTS = 10_000;
const KEPT_MS = 30 * 86_400_000;
const PRUNED_AT_ONCE = 500;

/** Work in the background. */
export interface Responses {
  start(): void;
  stop(): Promise<void>;
}

/**
 * Continues responses in two passes that do not wait for each other. The first one cuts off every new scope: its sessions and leases end. The second one finds
 * the secrets that the scope read, and rotates them. Every step can be repeated, so a response continues after a crash, and two replicas may work on the same
 * one.
 */
export function responseWorker(parts: Parts): Responses {
  const replacing = new Worker('replacements', REPLACE_EVERY_MS, parts, replacementRounds(parts));
  const containment = new Containment(parts);
  let turn = 0;
  const containing = new Worker('responses', CONTAIN_EVERY_MS, parts, async (signal) => {
    if ((await containment.round(signal)) > 0) void replacing.runNow();
    turn += 1;
    if (turn % SAVE_EVERY === 0) await saveRepeats(parts);
    if (turn % END_EVERY === 0) await endGone(parts);
  });
  return {
    start: () => {
      containing.start();
      replacing.start();
    },
    stop: async () => {
      await Promise.all([containing.stop(), replacing.stop()]);
      await saveRepeats(parts).catch(() => undefined);
    },
  };
}

/** Rounds of the second pass. */
export function replacementRounds(parts: Parts): (signal: AbortSignal) => Promise<void> {
  const lags = new Map<string, Lag>();
  let turn = 0;
  return async (signal) => {
    const rows = await parts.store.list(ALERTS.due('contained', parts.clock.now()), {
      limit: MOST_DUE,
    });
    let left = AT_ONCE;
    for (const row of inTurn(rows)) {
      if (signal.aborted || left === 0) break;
      const record = openAlert(row);
      const needsLog = record.exposed === undefined || record.held === 'incomplete';
      const lag = needsLog ? await lagOf(parts, lags, record.id) : 'none';
      if (lag === 'short') continue;
      if (lag === 'none') lags.delete(record.id);
      left -= 1;
      await replaceExposed(parts, { ...record, isLogBehind: lag === 'long' }).catch(
        (error: unknown) =>
          parts.log.error(
            { err: error, alert: record.id },
            'a response failed; it continues later',
          ),
      );
    }
    turn += 1;
    if (turn % PRUNE_EVERY === 0) await prune(parts);
    if (turn % PRUNE_PODS_EVERY === 0) await pruneSeenPods(parts);
  };
}

/** Takes due responses alternately from their sources and namespaces: many of one namespace do not delay those of others. */
function inTurn(rows: readonly Tables['alerts'][]): readonly Tables['alerts'][] {
  const groups = Map.groupBy(rows, ({ source, namespace }) => `${source} ${namespace ?? ''}`);
  const ranked = [...groups.values()].flatMap((group) => group.map((row, rank) => ({ row, rank })));
  return ranked.sort((a, b) => a.rank - b.rank).map(({ row }) => row);
}

/** Entries that the log did not have yet when the broker had ended the sessions and leases of the scope. */
interface Lag {
  readonly entries: readonly PendingEntries[];
  /** Monotonic milliseconds. */
  readonly since: number;
}

/**
 * Reports whether the log still lacks an entry that was committed when the response first asked, because a read can be among them. After two minutes the
 * response continues with what the log has, and is not complete until the log has the rest. After a crash the first entries of the new process can be in the
 * log before the last ones of the old process, so the log's newest entry does not tell.
 */
async function lagOf(
  { audit, clock, log }: Parts,
  lags: Map<string, Lag>,
  alert: AlertRecord['id'],
): Promise<'none' | 'short' | 'long'> {
  const pending = await audit.pending();
  const now = clock.monotonic();
  const lag = lags.get(alert) ?? { entries: pending, since: now };
  if (lags.size >= MOST_LAGS) lags.clear();
  lags.set(alert, lag);
  const missing = lag.entries.filter(({ writer, end }) =>
    pending.some((each) => each.writer === writer && each.first < end),
  );
  if (missing.length === 0) return 'none';
  if (now < lag.since + LONGEST_LAG_MS) return 'short';
  log.error(
    { alert, writers: missing.map(({ writer }) => writer) },
    'the audit log has lacked committed entries of these writers for two minutes: the response rotates what the log has, and is not done until the log has them; run quaymaster doctor',
  );
  return 'long';
}

const OPEN: readonly AlertRecord['state'][] = ['pending', 'responding', 'contained'];

/** Deletes the oldest alerts, but none that an operator or the broker has to work on. */
async function prune(parts: Parts): Promise<void> {
  const { store, clock } = parts;
  const excess = (await store.count(ALERTS.newest())) - MOST_ALERTS;
  const old = await store.list(ALERTS.before(clock.now() - KEPT_MS), { limit: PRUNED_AT_ONCE });
  const most = Math.min(excess, PRUNED_AT_ONCE);
  const many = most > 0 ? await store.list(ALERTS.before(clock.now()), { limit: most }) : [];
  const ids = new Set(
    [...old, ...many].filter(({ state }) => !OPEN.includes(state)).map(({ id }) => id),
  );
  if (ids.size === 0) return;
  await store.commit({ writes: [...ids].map((id) => ({ table: 'alerts', remove: { id } })) });
}
