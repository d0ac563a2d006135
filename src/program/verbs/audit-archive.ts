import { resolve } from 'node:path';
import type { Progress } from '../../audit/proof/export.ts';
import { SystemActor } from '../../broker/recording/record.ts';
import { systemClock } from '../../process/clock.ts';
import { sha256Hex } from '../../crypto/hashes/digest.ts';
import type { ArchiveReference } from '../../domain/audit/audit-actions.ts';
import { BrokerError } from '../../domain/errors.ts';
import type { ArchiveStorage } from '../../ports/archive-storage.ts';
import type { ArchivePlan } from '../../ports/archives.ts';
import { openArchive, openArchiveStorage } from '../log/archive-storage.ts';
import type { AuditTrail } from '../log/audit-trail.ts';
import { loadConfig } from '../config/load.ts';
import { refuseOpenProcess } from '../config/process-options.ts';
import type { Config } from '../config/schema.ts';
import { startUnlessHeld, withStoppedLog } from './stopped-log.ts';

const DAY_MS = 86_400_000;
const DEFAULT_KEEP_DAYS = 90;

export interface StoppedArchive {
  readonly config: string;
  /** A directory instead of the archive of the configuration. */
  readonly to?: string;
  readonly reason: string;
  /** Time before which entries are archived; default: the one of the configuration. */
  readonly before: string | undefined;
  readonly dryRun?: boolean;
  readonly signal?: AbortSignal;
}

/**
 * Archives the log of a stopped broker. The store is open in this process alone, as in a broker.
 * @throws ERR_CONFIG_INVALID, ERR_CONFLICT while a broker runs, ERR_HELD, and as `Archiver.run`
 */
export async function archiveStopped(
  { config: path, to, reason, before, dryRun = false, signal }: StoppedArchive,
  progress: Progress,
): Promise<string> {
  const config = await loadConfig(path);
  refuseOpenProcess(config);
  const place = await openArchivePlace(config, to);
  const keepDays = config.audit.archive?.keepDays ?? DEFAULT_KEEP_DAYS;
  const until = before === undefined ? systemClock.now() - keepDays * DAY_MS : Date.parse(before);
  return withTrail(config, place, async ({ archiver, integrator }) => {
    // The newest entries, this start among them, are in the tree then.
    await integrator.integrate();
    if (archiver === undefined) throw new TypeError('the trail has no archive');
    if (dryRun) return planText(await archiver.plan(until), place);
    const actor = new SystemActor({ clock: systemClock, digest: sha256Hex }, 'archive');
    const entry = (archive: ArchiveReference): string =>
      actor.entry({
        action: 'audit.truncate',
        outcome: 'ok',
        archive,
        comment: reason,
        count: archive.end - archive.first,
      });
    const plan = await archiver.run({
      before: until,
      entry,
      signal,
      progress: ({ done, total }) => progress(done, total),
    });
    const isElsewhere = config.audit.archive === undefined || to !== undefined;
    return [
      planText(plan, place, 'archived'),
      ...(isElsewhere && plan.first < plan.end
        ? [`The broker reads archived entries from audit.archive: let it name ${place.name}.`]
        : []),
    ].join('\n');
  });
}

async function openArchivePlace(config: Config, to: string | undefined): Promise<ArchiveStorage> {
  const place =
    to === undefined
      ? await openArchive(config.audit.archive, systemClock)
      : await openArchiveStorage({ type: 'directory', path: resolve(to) }, systemClock);
  if (place !== undefined) return place;
  throw new BrokerError(
    'ERR_CONFIG_INVALID',
    'the configuration has no audit.archive; name a directory with --to',
  );
}

function withTrail<T>(
  config: Config,
  archive: ArchiveStorage,
  work: (trail: AuditTrail) => Promise<T>,
): Promise<T> {
  return withStoppedLog(config, { archive, done: 'archived' }, async ({ trail }) => {
    await startUnlessHeld(trail, 'nothing was archived');
    return work(trail);
  });
}

function planText(
  { first, end, limitedBy }: ArchivePlan,
  { name }: ArchiveStorage,
  done = 'would archive',
): string {
  const limit =
    limitedBy === 'sink' ? '; older entries stay, because a sink does not have them yet' : '';
  if (first === end) return `nothing to archive: no 256 entries are older than that${limit}`;
  return `${done} ${end - first} entries, ${first} to ${end - 1}, to ${name}${limit}`;
}
