import { newToken } from '../../crypto/random/token.ts';
import { sha256Hex } from '../../crypto/hashes/digest.ts';
import { BrokerError } from '../../domain/errors.ts';
import { isEnrolling } from '../../domain/identity/cluster.ts';
import type { Expectation, Plan } from '../../ports/store.ts';
import { allRows } from '../../ports/queries.ts';
import type { Tables } from '../../ports/tables.ts';
import type { Call } from '../../broker/access/call.ts';
import { authorityEnd } from '../../broker/access/call.ts';
import { listAll } from '../../broker/kernel/list-all.ts';
import { orNotFound, type StoredDocument } from '../../broker/model/document.ts';
import {
  recordFailure,
  recordOperation,
  requireOwnAdmin,
  requireRole,
} from '../../broker/recording/operation.ts';
import { commitAs, entryOf } from '../../broker/recording/record.ts';
import type { Access, Recording } from '../../broker/state/dependencies.ts';
import { apiServerDigest, isFor, type Enrolling } from '../../broker/state/enrolled-clusters.ts';
import type { LiveOperator } from '../../broker/state/operator-token-memory.ts';

const CODE_MS = 15 * 60_000;
/** Uses of one code that may fail. */
export const MOST_ATTEMPTS = 5;

export type EnrolmentRow = Tables['enrolments'];

/** A code with which a cluster may enrol once. */
export interface EnrolmentCode {
  /** `qme_…`: returned once. The store has only its hash. */
  readonly code: string;
  /** Milliseconds since the epoch. */
  readonly endsAt: number;
}

/** An enrolment as operators see it. */
export interface ListedEnrolment {
  readonly cluster: string;
  readonly codeEndsAt: number | undefined;
  readonly credential: { readonly endsAt: number; readonly renewAt: number } | undefined;
}

/**
 * Creates the code with which a registered cluster may enrol, and ends the one before it. The credential that the cluster has stays in use until another one
 * replaces it.
 * @throws ERR_DENIED, ERR_NOT_FOUND; ERR_CONFLICT for a cluster whose connection has another type
 */
export async function createCode(
  parts: Recording & Access & Enrolling,
  call: Call,
  live: LiveOperator,
  cluster: string,
): Promise<EnrolmentCode> {
  const described = {
    action: 'enrolment.create',
    document: { kind: 'cluster', name: cluster },
  } as const;
  return commitAs(parts, live, async (decidedAt, operator) => {
    requireOwnAdmin(operator);
    const document = orNotFound(parts.catalog.find('cluster', cluster));
    const apiServer = enrollingServer(parts, document);
    const row = await parts.store.get('enrolments', { cluster });
    const code = newToken('qme');
    const endsAt = parts.clock.now() + CODE_MS;
    const base =
      row !== undefined && isForRow(row, document)
        ? row
        : emptyRow(cluster, document.uid, apiServer);
    const put = {
      ...base,
      code: sha256Hex(code),
      code_ends_at: endsAt,
      attempts: 0,
      used_by: null,
      updated_at: parts.clock.now(),
      mac: null,
    };
    return {
      plan: {
        decidedAt,
        reads: operator.fences,
        notAfter: authorityEnd(operator),
        expect: [unchanged(document), sameRow(cluster, row)],
        writes: [{ table: 'enrolments', put }],
        invalidates: [`enrolment:${cluster}`],
        entries: [entryOf(parts, call, operator, { ...described, outcome: 'ok', endsAt })],
      },
      settle: () => ({ code, endsAt }),
    };
  }).catch((error: unknown) => recordFailure({ parts, call, caller: live }, [described], error));
}

/** @returns the digest of the API server. @throws ERR_CONFLICT if the connection of the cluster is of another type, or does not allow its host */
function enrollingServer(
  { clusters }: Pick<Access, 'clusters'>,
  { spec }: StoredDocument<'cluster'>,
): string {
  if (!isEnrolling(spec))
    throw cannotEnrol('it has no apiServer, and no connection of type enrolled');
  const problem = clusters.problem(spec);
  if (problem !== undefined) throw cannotEnrol(problem);
  return apiServerDigest(spec.apiServer);
}

function cannotEnrol(why: string): BrokerError {
  return new BrokerError('ERR_CONFLICT', `this cluster cannot enrol: ${why}`);
}

function emptyRow(cluster: string, cluster_uid: string, api_server: string): EnrolmentRow {
  const noCode = { code: null, code_ends_at: null, attempts: 0, used_by: null };
  const noCredential = { sealed: null, ends_at: null, renew_at: null };
  return { cluster, cluster_uid, api_server, ...noCode, ...noCredential, updated_at: 0, mac: null };
}

/** Reports whether a row is for this document, as it is now. */
export function isForRow(
  { cluster_uid: clusterUid, api_server: apiServer }: EnrolmentRow,
  document: Parameters<typeof isFor>[1],
): boolean {
  return isFor({ clusterUid, apiServer }, document);
}

/** The row has not changed since it was read. */
export function sameRow(cluster: string, row: EnrolmentRow | undefined): Expectation {
  const key = { cluster };
  if (row === undefined) return { table: 'enrolments', key, absent: true };
  const { cluster_uid, code, attempts, used_by, ends_at, renew_at } = row;
  const match = { cluster_uid, code, attempts, used_by, ends_at, renew_at };
  return { table: 'enrolments', key, match };
}

/** The document has not changed since it was read, at any broker. */
export function unchanged({ name, uid, version }: StoredDocument<'cluster'>): Expectation {
  return { table: 'documents', key: { kind: 'cluster', name }, match: { uid, version } };
}

/** Lists the clusters with an open code or a credential. @throws ERR_DENIED */
export function listEnrolments(
  parts: Recording & Access,
  call: Call,
  live: LiveOperator,
): Promise<readonly ListedEnrolment[]> {
  const acting = { parts, call, caller: live };
  return recordOperation(acting, { action: 'enrolment.list' }, async (operator) => {
    requireRole(operator, 'responder', 'admin');
    const listed: ListedEnrolment[] = [];
    for await (const row of listAll(parts.store, allRows('enrolments'))) {
      const document = parts.catalog.find('cluster', row.cluster);
      if (document === undefined || !isForRow(row, document)) continue;
      const { cluster, ends_at: endsAt, renew_at: renewAt } = row;
      const codeEndsAt = isOpen(row, parts.clock.now()) ? (row.code_ends_at ?? 0) : undefined;
      const credential = endsAt === null || renewAt === null ? undefined : { endsAt, renewAt };
      if ((codeEndsAt ?? credential) !== undefined)
        listed.push({ cluster, codeEndsAt, credential });
    }
    return listed;
  });
}

/** Reports whether the code of a row can still be used. */
function isOpen({ code, code_ends_at, attempts, used_by }: EnrolmentRow, now: number): boolean {
  return code !== null && used_by === null && attempts < MOST_ATTEMPTS && (code_ends_at ?? 0) > now;
}

/**
 * Ends the code and the credential of a cluster. Its document stays, and is not served until it enrols again.
 * @throws ERR_DENIED, ERR_NOT_FOUND
 */
export async function endEnrolment(
  parts: Recording & Access,
  call: Call,
  live: LiveOperator,
  cluster: string,
): Promise<void> {
  const described = {
    action: 'enrolment.end',
    document: { kind: 'cluster', name: cluster },
  } as const;
  await commitAs(parts, live, async (decidedAt, operator) => {
    requireRole(operator, 'responder', 'admin');
    orNotFound(await parts.store.get('enrolments', { cluster }));
    return {
      plan: {
        ...ending(cluster),
        decidedAt,
        reads: operator.fences,
        notAfter: authorityEnd(operator),
        entries: [
          entryOf(parts, call, operator, { ...described, outcome: 'ok', cause: 'operator' }),
        ],
      },
      settle: () => undefined,
    };
  }).catch((error: unknown) => recordFailure({ parts, call, caller: live }, [described], error));
}

/** The end of an enrolment, whatever its row is now. */
export function ending(cluster: string): Plan {
  return {
    writes: [{ table: 'enrolments', remove: { cluster } }],
    invalidates: [`enrolment:${cluster}`],
    urgent: true,
  };
}
