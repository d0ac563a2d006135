import { systemClock } from '../../process/clock.ts';
import { loadConfig } from '../config/load.ts';
import { refuseOpenProcess } from '../config/process-options.ts';
import type { Config } from '../config/schema.ts';
import { BrokerError } from '../../domain/errors.ts';
import type { HeldReason, LogExtent } from '../../audit/log/held-reasons.ts';
import { logIdentity } from '../../audit/records/log-identity.ts';
import { verifierKeyText } from '../../crypto/log/signed-note.ts';
import type { Released } from '../log/audit-trail.ts';
import { releaseRows } from '../installation/guarded-state.ts';
import { planRemovals, type PlannedRemovals, type RemovalOptions } from './removals.ts';
import { withStoppedLog, type StoppedLog } from './stopped-log.ts';

export interface ReleaseOptions extends RemovalOptions {
  readonly config: string;
  readonly comment: string;
  /** Applies the plan that a call without it prints. */
  readonly yes?: boolean;
}

/**
 * Unlocks a store that rollback protection stopped, records the reason, and reports what was accepted. The removals of a newer log, and the ends of
 * the sessions of people, are in the commit that unlocks: no caller is ever served without them.
 * @throws ERR_CONFLICT if the store is not stopped, or another process of the broker uses it, ERR_HELD if the log is damaged or rows have no valid MAC
 */
export async function runRelease(options: ReleaseOptions): Promise<string> {
  const config = await loadConfig(options.config);
  refuseOpenProcess(config);
  return withStoppedLog(config, { done: 'released' }, (opened) => release(config, opened, options));
}

async function release(
  config: Config,
  { store, keys, rows, guard, identity, trail, log }: StoppedLog,
  options: ReleaseOptions,
): Promise<string> {
  const clock = systemClock;
  const { held } = await trail.start();
  const configured = logIdentity(config.audit.origin, identity.signer.key);
  const parts = { config, store, rows, clock, identity, configured };
  const plan = await planOf(held, parts, options);
  if (needsYes(options) && options.yes !== true)
    return [...plan.lines, 'nothing was changed; to do all this: --yes'].join('\n');
  const released =
    held === undefined ? undefined : await trail.release(options.comment, plan.fragment);
  const logText = released === undefined ? [] : [textOf(released), ...plan.lines];
  const opening = { clock, log, keys, identity: released?.identity ?? identity };
  const rowText = await releaseRows({ store, guard, opening, comment: options.comment });
  if (logText.length + rowText.length === 0)
    throw new BrokerError('ERR_CONFLICT', 'the store is not held');
  return [...logText, ...rowText].join('\n');
}

/** Reports whether the call removes more than each release does. */
function needsYes({ applyRemovals, endOperatorTokens = false }: ReleaseOptions): boolean {
  return applyRemovals !== undefined || endOperatorTokens;
}

/** @throws ERR_CONFLICT if the log is not held, and something is to be removed */
async function planOf(
  held: HeldReason | undefined,
  store: Parameters<typeof planRemovals>[0],
  options: ReleaseOptions,
): Promise<PlannedRemovals> {
  if (held !== undefined) return planRemovals(store, options);
  if (!needsYes(options)) return { fragment: { writes: [], entries: [] }, lines: [] };
  throw new BrokerError(
    'ERR_CONFLICT',
    'the log of this store is not behind a newer one, so nothing can be applied: --apply-removals and --end-operator-tokens are for the release after a restore',
  );
}

/** Describes what the operator accepted, with the numbers that the operator must be able to explain. */
function textOf({ held, extent, identity }: Released): string {
  const { stored, outside, anchored, acknowledged } = extent;
  const known = Math.max(sizeOf(outside), sizeOf(anchored));
  const lost = Math.max(0, known - sizeOf(stored));
  return [
    `unlocked; the store was held because of ${held}`,
    `  log in the store:            ${entriesIn(stored)}`,
    `  checkpoint outside said:     ${entriesIn(outside)}`,
    `  anchor in the store said:    ${entriesIn(anchored)}`,
    `  last acknowledged entry:     ${placeOf(acknowledged)}`,
    accepted(held, lost),
    `the log continues under the new origin ${identity.origin}; its log key is ${verifierKeyText(identity.origin, identity.signer.key.publicKey)}`,
  ].join('\n');
}

function accepted(held: string, lost: number): string {
  if (lost > 0)
    return `accepted: ${lost} recorded entries are missing in this store; the log continues without them`;
  return held === 'commits_missing'
    ? 'accepted: entries up to the last acknowledged one are missing in this store; the log continues without them'
    : 'accepted: the log continues after the entries in the store';
}

type Extent = LogExtent['stored' | 'outside' | 'anchored'];

function sizeOf(extent: Extent): number {
  return typeof extent === 'object' ? extent.size : 0;
}

function entriesIn(extent: Extent): string {
  if (extent === undefined) return 'nothing';
  return typeof extent === 'object' ? `${extent.size} entries` : 'not valid';
}

function placeOf(place: LogExtent['acknowledged']): string {
  if (place === undefined) return 'not recorded';
  return place === 'unreadable' ? 'not valid' : `number ${place.seq} of boot ${place.writer}`;
}
