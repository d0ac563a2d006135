import type { ArchiveReference } from '../../domain/audit/audit-actions.ts';
import { BrokerError } from '../../domain/errors.ts';
import type { ArchivePlan, ArchiveRun, Archives } from '../../ports/archives.ts';
import type { ArchiveObject, AuditLog, LogTruncation } from '../../ports/audit-log.ts';
import type { Call } from '../../broker/access/call.ts';
import type { Access, Recording } from '../../broker/state/dependencies.ts';
import { recordOperation, requireRole } from '../../broker/recording/operation.ts';
import { entryOf } from '../../broker/recording/record.ts';
import type { LiveOperator } from '../../broker/state/operator-token-memory.ts';

/** Groups of the archive; `archives` is undefined if the configuration has none. */
type Archiving = Recording &
  Access & { readonly archives: Archives | undefined; readonly audit: AuditLog };

export interface ArchiveRequest {
  /** Entries that were recorded before this time are archived, in milliseconds since the epoch; by default as the configuration says. */
  readonly before: number | undefined;
  /** True: the run only reports what it would archive. */
  readonly dryRun: boolean;
  readonly comment: string;
}

const DAY_MS = 86_400_000;

/**
 * Starts a run, or returns the one in progress. A dry run is a plan.
 * @throws ERR_DENIED, ERR_CONFLICT if the configuration has no archive
 */
export function archiveAudit(
  parts: Archiving,
  call: Call,
  caller: LiveOperator,
  { before, dryRun, comment }: ArchiveRequest,
): Promise<ArchiveRun | ArchivePlan> {
  const query = [
    ...(before === undefined ? [] : [`before=${new Date(before).toISOString()}`]),
    ...(dryRun ? ['dryRun=true'] : []),
  ].join(' ');
  const described = { action: 'audit.archive', query, comment } as const;
  return recordOperation({ parts, call, caller }, described, (operator) => {
    requireRole(operator, 'admin');
    const archives = configured(parts);
    const until = before ?? parts.clock.now() - archives.keepDays * DAY_MS;
    if (dryRun) return archives.plan(until);
    const entry = (archive: ArchiveReference): string =>
      entryOf(parts, call, operator, {
        action: 'audit.truncate',
        outcome: 'ok',
        archive,
        comment,
        count: archive.end - archive.first,
      });
    return archives.start(until, entry);
  });
}

/** Archive of the configuration, and its content. */
export interface ArchiveStatus {
  readonly place: string | undefined;
  readonly keepDays: number | undefined;
  readonly run: ArchiveRun | undefined;
  readonly truncation: LogTruncation | undefined;
}

/** @throws ERR_DENIED */
export function readArchive(
  parts: Archiving,
  call: Call,
  caller: LiveOperator,
): Promise<ArchiveStatus> {
  const described = { action: 'audit.export', query: 'archive' } as const;
  return recordOperation({ parts, call, caller }, described, async (operator) => {
    requireRole(operator, 'auditor');
    const { archives, audit } = parts;
    return {
      place: archives?.place,
      keepDays: archives?.keepDays,
      run: archives?.run(),
      truncation: await audit.truncation(),
    };
  });
}

const OBJECTS_A_PAGE = 500;

/** Objects of the archive from the one with the entry `start` on; as many as fit in a page. @throws ERR_DENIED */
export function listArchiveObjects(
  parts: Archiving,
  call: Call,
  caller: LiveOperator,
  start: number,
): Promise<readonly ArchiveObject[]> {
  const described = { action: 'audit.export', query: `archive-objects=${start}` } as const;
  return recordOperation({ parts, call, caller }, described, async (operator) => {
    requireRole(operator, 'auditor');
    const objects: ArchiveObject[] = [];
    for await (const object of parts.audit.archiveObjects(start)) {
      objects.push(object);
      if (objects.length === OBJECTS_A_PAGE) break;
    }
    return objects;
  });
}

function configured({ archives }: Archiving): Archives {
  if (archives !== undefined) return archives;
  throw new BrokerError(
    'ERR_CONFLICT',
    'the configuration of the broker has no audit.archive; see docs/audit.md',
    { isDetailShown: true },
  );
}
