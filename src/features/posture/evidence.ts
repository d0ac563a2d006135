import type { DocumentReference } from '../../domain/audit/audit-actions.ts';
import { BrokerError } from '../../domain/errors.ts';
import { instant } from '../../domain/time/instant.ts';
import { EVIDENCE_KINDS, type Evidence } from '../../domain/posture/evidence.ts';
import type { Page, PageRequest } from '../../domain/page.ts';
import type { Plan, PlanFragment } from '../../ports/store.ts';
import type { Tables } from '../../ports/tables.ts';
import { measured } from '../../broker/access/measured.ts';
import { authorityEnd, type Call, type Caller } from '../../broker/access/call.ts';
import { decodeCursor, encodeCursor } from '../../broker/state/cursor.ts';
import type { Access, Keys, Recordable, Recording } from '../../broker/state/dependencies.ts';
import type { Posture } from './judging.ts';
import { recordFailure, recordOperation, requireRole } from '../../broker/recording/operation.ts';
import { commitAs, entryOf } from '../../broker/recording/record.ts';
import type { LiveOperator } from '../../broker/state/operator-token-memory.ts';
import { checkSpace } from './evidence-bounds.ts';
import { evidenceId, openEvidence, packedRow } from './evidence-rows.ts';
import {
  requireEvidenceDeleter,
  requireWriter,
  tenantOf,
} from '../../broker/recording/evidence-writers.ts';
import type { PackedReport } from './pack-report.ts';

type Evidencing = Pick<Posture, 'evidence'>;

type Row = Tables['image_evidence'];

const MOST_DIGESTS = 16;
/** Clocks of pipelines differ by minutes. A report of the future would never become too old. */
const SKEW_MS = 5 * 60_000;

/** Evidence as it was stored, and how many findings it has. */
export interface StoredEvidence {
  readonly evidence: Evidence;
  readonly count: number;
}

/**
 * Stores the findings of a report about an image. `body` is that of the push, which the thread reads and takes. The next evaluation of a pod with the image reads it.
 * @throws ERR_DENIED, ERR_BODY_INVALID, ERR_CONFLICT for a report that is older than the stored one, or that exceeds the quota
 */
export async function pushEvidence(
  parts: Recording & Access & Evidencing & Pick<Posture, 'reports'>,
  call: Call,
  caller: Caller,
  body: Uint8Array<ArrayBuffer>,
): Promise<readonly StoredEvidence[]> {
  const acting = { parts, call, caller };
  const described = { action: 'evidence.write' } as const;
  try {
    // The thread works for writers only.
    const tenant = tenantOf(requireWriter(parts, caller));
    const { signal } = call.context();
    const work = { tenant, signal, spend: (ms: number) => call.spend(ms) };
    const { report, image } = await parts.reports.read(work, body);
    return await parts.evidence.turns.run(tenant, () =>
      commitAs(parts, caller, (decidedAt, now) => {
        const { fences, ...writer } = requireWriter(parts, now);
        const written = { report, image, ...writer };
        const plan = measured(parts, call, () => planned(parts, written));
        const entries = plan.events.map((event) => entryOf(parts, call, now, event));
        return {
          plan: {
            ...plan.fragment,
            decidedAt,
            reads: [...fences, ...plan.fragment.reads],
            notAfter: authorityEnd(now),
            entries,
          },
          settle: () => plan.stored,
        };
      }),
    );
  } catch (error) {
    return recordFailure(acting, [described], error);
  }
}

export interface Written extends Pick<Evidence, 'writer' | 'scope'> {
  readonly report: PackedReport;
  readonly image: readonly string[];
}

interface Planned {
  readonly fragment: PlanFragment & Required<Pick<Plan, 'reads'>>;
  readonly events: readonly Recordable[];
  readonly stored: readonly StoredEvidence[];
}

/** The rows of a report. A report that is stored already changes nothing. @throws ERR_BODY_INVALID, ERR_CONFLICT */
export function planned(
  { clock, evidence }: Evidencing & Pick<Access, 'clock'>,
  { report, image, writer, scope }: Written,
): Planned {
  const now = clock.now();
  const { scanner, scannerVersion, manifests, configs, sections, reportedAt = now } = report;
  if (reportedAt > now + SKEW_MS) throw refused(`is from the future: ${instant(reportedAt)}`);
  const [config] = configs;
  const own = [...new Set([...configs, ...[...manifests].sort(), ...[...image].sort()])];
  if (own.length === 0)
    throw refused('names no digest of an image: name the digest that you scanned');
  const stored = EVIDENCE_KINDS.flatMap((kind): (StoredEvidence & { readonly row: Row })[] => {
    const section = sections[kind];
    if (section === undefined) return [];
    const source = { kind, scanner, scannerVersion, config, writer, scope };
    const facts = { ...source, reportedAt, receivedAt: now };
    const known = evidence.find(evidenceId({ kind, scanner, digests: own, writer, scope }));
    // An image may be in several repositories; each push names one of them.
    const digests = [...new Set([...own, ...(known?.digests ?? [])])].slice(0, MOST_DIGESTS);
    const row = packedRow({ ...facts, digests }, section);
    return [{ row, evidence: openEvidence(row), count: section.count }];
  });
  const changed = stored.filter(({ row }) => isNew(evidence.find(row.id), row));
  checkSpace(
    evidence,
    changed.map(({ row }) => row),
  );
  // The limits of an image count its rows: two pushes of one moment that add one are decided one after the other.
  const counted = [
    ...new Set(
      changed.flatMap(({ row, evidence: { digests } }) => {
        const known = new Set(evidence.find(row.id)?.digests);
        return digests.filter((digest) => !known.has(digest));
      }),
    ),
  ].map((digest) => `image-evidence:${digest}`);
  return {
    stored,
    events: changed.map(({ evidence: each, count }) => ({
      action: 'evidence.write',
      outcome: 'ok',
      ...factsOf(each),
      count,
    })),
    fragment: {
      reads: counted,
      expect: changed.map(({ row }) => expectation(row.id, evidence.find(row.id))),
      writes: changed.map(({ row }) => ({ table: 'image_evidence', put: row })),
      invalidates: [...changed.map(({ row }) => `evidence:${row.id}`), ...counted],
    },
  };
}

/**
 * Reports whether a row changes anything. @throws ERR_CONFLICT for a row that is older than the stored one: it would hide newer
 * findings
 */
function isNew(known: Evidence | undefined, row: Row): boolean {
  if (known === undefined || known.reportedAt < row.reported_at) return true;
  if (known.reportedAt === row.reported_at) {
    return known.digests.length < (JSON.parse(row.digests) as string[]).length;
  }
  throw new BrokerError(
    'ERR_CONFLICT',
    `a newer report of ${row.scanner} about this image is stored: ${instant(known.reportedAt)}, this one is of ${instant(row.reported_at)}`,
    { reason: 'older_report', isDetailShown: true },
  );
}

function expectation(id: string, known: Evidence | undefined): PlanFragment['expect'][number] {
  const key = { id };
  return known === undefined
    ? { table: 'image_evidence', key, absent: true }
    : { table: 'image_evidence', key, match: { received_at: known.receivedAt } };
}

function refused(message: string): BrokerError {
  return new BrokerError('ERR_BODY_INVALID', 'the report is not valid', {
    reason: 'bad_report',
    problems: [{ pointer: '/report', message }],
  });
}

/** The facts about evidence that entries have. */
export function factsOf({ id, kind, scanner, digests: [digest = ''] }: Evidence): {
  readonly document: DocumentReference;
  readonly query: string;
} {
  return { document: { kind: 'evidence', name: id }, query: `${kind} ${scanner} ${digest}` };
}

/** Lists evidence in the order of ids. @throws ERR_DENIED */
export async function listEvidence(
  parts: Recording & Access & Evidencing & Pick<Keys, 'keyring'>,
  call: Call,
  live: LiveOperator,
  { image, page }: { readonly image: string | undefined; readonly page: PageRequest },
): Promise<Page<Evidence>> {
  const described = { action: 'evidence.read', query: image } as const;
  return recordOperation({ parts, call, caller: live }, described, (operator) => {
    requireRole(operator, ...READERS);
    const after = decodeCursor(parts, 'evidence', page.after) as string | undefined;
    const left = parts.evidence
      .all()
      .filter(({ id }) => after === undefined || id > after)
      .filter(({ digests }) => image === undefined || digests.includes(image));
    const items = left.slice(0, page.limit);
    if (left.length === items.length) return { items };
    return { items, next: encodeCursor(parts, 'evidence', items.at(-1)?.id) };
  });
}

const READERS = ['evidence-writer', 'policy-editor', 'responder', 'auditor'] as const;

/** @throws ERR_DENIED, ERR_NOT_FOUND */
export async function readEvidence(
  parts: Recording & Access & Evidencing,
  call: Call,
  live: LiveOperator,
  id: string,
): Promise<StoredEvidence> {
  const document = { kind: 'evidence', name: id };
  const described = { action: 'evidence.read', document } as const;
  return recordOperation({ parts, call, caller: live }, described, (operator) => {
    requireRole(operator, ...READERS);
    const evidence = found(parts, id);
    return { evidence, count: parts.evidence.countOf(evidence) };
  });
}

/** The next evaluation lacks it: pods with the image wait for another report. @throws ERR_DENIED, ERR_NOT_FOUND */
export async function deleteEvidence(
  parts: Recording & Access & Evidencing,
  call: Call,
  live: LiveOperator,
  id: string,
): Promise<void> {
  const document = { kind: 'evidence', name: id };
  const described = { action: 'evidence.delete', document } as const;
  const acting = { parts, call, caller: live };
  await commitAs(parts, live, (decidedAt, operator) => {
    requireEvidenceDeleter(operator);
    const evidence = found(parts, id);
    const event = { action: 'evidence.delete', outcome: 'ok', ...factsOf(evidence) } as const;
    return {
      plan: {
        ...removalOf(evidence),
        decidedAt,
        reads: operator.fences,
        notAfter: operator.operator.endsAt,
        entries: [entryOf(parts, call, operator, event)],
      },
      settle: () => undefined,
    };
  }).catch((error: unknown) => recordFailure(acting, [described], error));
}

function found({ evidence }: Evidencing, id: string): Evidence {
  const known = evidence.find(id);
  if (known === undefined) throw new BrokerError('ERR_NOT_FOUND');
  return known;
}

/** Rows and changes that remove evidence. */
export function removalOf(evidence: Evidence): PlanFragment {
  const { id } = evidence;
  return {
    expect: [expectation(id, evidence)],
    writes: [{ table: 'image_evidence', remove: { id } }],
    invalidates: [`evidence:${id}`],
  };
}
