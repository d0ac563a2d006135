import { cidrHolds, parseCidr } from '../../domain/network/cidr.ts';
import { parseIpAddress } from '../../domain/network/ip-address.ts';
import { parseWorkloadId, type Workload } from '../../domain/identity/workload.ts';
import type { Query } from '../../ports/store.ts';
import type { Tables } from '../../ports/tables.ts';
import { SESSIONS } from '../../ports/queries.ts';
import type { Storage } from './dependencies.ts';

type SessionRow = Tables['sessions'];

/** Selector of sessions, with exactly one of these members; `source` is a CIDR block that contains the login address. */
export type SessionSelector =
  | { readonly id: string }
  | { readonly cluster: string; readonly pod: string }
  | { readonly workload: string }
  | { readonly cluster: string }
  | { readonly source: string };

/** Filters of a list; a session must match all that are given. */
export interface SessionFilter {
  readonly workload?: string | undefined;
  readonly cluster?: string | undefined;
  readonly pod?: string | undefined;
  readonly source?: string | undefined;
}

/** One page of the scan: `next` is the position to continue from, undefined at the end. Fewer rows than the limit may match. */
export interface SessionScan {
  readonly rows: readonly SessionRow[];
  readonly next: string | undefined;
}

/** Matching rows, ordered by id, which is the order of their logins. */
export async function scanSessions(
  { store }: Pick<Storage, 'store'>,
  filter: SessionFilter & { readonly id?: string },
  window: { readonly after: string | undefined; readonly limit: number },
): Promise<SessionScan> {
  const { after, limit } = window;
  const rows = await store.list(matching(filter), {
    limit,
    after: after === undefined ? undefined : { id: after },
  });
  const { source } = filter;
  const next = rows.length < limit ? undefined : rows.at(-1)?.id;
  return { rows: source === undefined ? rows : rows.filter((row) => isFrom(row, source)), next };
}

function matching({
  id,
  workload,
  cluster,
  pod,
}: SessionFilter & { readonly id?: string }): Query<'sessions'> {
  const account = workload === undefined ? undefined : parseWorkloadId(workload);
  return SESSIONS.matching(
    account?.cluster ?? cluster,
    account?.namespace,
    account?.serviceAccount,
    pod,
    id,
  );
}

function isFrom(row: SessionRow, source: string): boolean {
  const cidr = parseCidr(source);
  const address = parseIpAddress(factsOf(row).source ?? '');
  return cidr !== undefined && address !== undefined && cidrHolds(cidr, address);
}

/** The body of a row, unverified: sufficient to end a session, but never to grant access. */
export function factsOf({ body }: SessionRow): Partial<Workload> & { readonly source?: string } {
  try {
    return JSON.parse(body) as Workload & { readonly source?: string };
  } catch {
    return {};
  }
}
