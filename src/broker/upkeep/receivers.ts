import { BrokerError } from '../../domain/errors.ts';
import type { PageRequest } from '../../domain/page.ts';
import type {
  ArchivedPart,
  AuditLog,
  AuditQuery,
  LogEntry,
  LogPage,
} from '../../ports/audit-log.ts';
import type { Call } from '../access/call.ts';
import type { Access, Recording } from '../state/dependencies.ts';
import type { LiveOperator } from '../state/operator-token-memory.ts';
import { LoopYielder } from '../kernel/yield-to-loop.ts';
import { describeQuery } from '../recording/audit.ts';
import { recordOperation, requireRole } from '../recording/operation.ts';

/** The secret, and the part of the log to search. Without a version: every version, and issued credentials. */
export interface ReceiversQuery extends Pick<AuditQuery, 'version' | 'from' | 'to'> {
  readonly path: string;
}

/** The disclosures of one version to one caller under one lease, as far as one page read them. */
export interface Receipt {
  /** Workload, operator or system actor. */
  readonly receiver: string;
  readonly pod?: string | undefined;
  readonly podUid?: string | undefined;
  readonly node?: string | undefined;
  readonly action: DisclosureAction;
  readonly version?: string | undefined;
  readonly lease?: string | undefined;
  readonly credential?: string | undefined;
  /** Time at which the lease ends; undefined if it has ended, or if there was none. */
  readonly validUntil?: number | undefined;
  readonly reads: number;
  /** Times and indexes of the oldest and the newest entry. */
  readonly first: string;
  readonly last: string;
  readonly firstIndex: number;
  readonly lastIndex: number;
}

export interface ReceiversPage {
  readonly items: readonly Receipt[];
  readonly next?: string | undefined;
  readonly archived?: ArchivedPart | undefined;
}

/** The actions by which a value leaves the broker; a search has only one, so each has its own part of the pages. */
const DISCLOSURES = ['secret.read', 'credential.issue'] as const;
type DisclosureAction = (typeof DISCLOSURES)[number];
const CURSOR = /^([01])(?:\.([0-9]{1,16}))?$/;

/**
 * Lists the callers that received a value of the path, newest first, by the entries of one page. The same caller can be in several pages. The search is
 * recorded.
 * @throws ERR_DENIED, ERR_REQUEST_INVALID
 */
export async function listReceivers(
  parts: Recording & Access & { readonly audit: AuditLog },
  call: Call,
  live: LiveOperator,
  { query, page }: { readonly query: ReceiversQuery; readonly page: PageRequest },
): Promise<ReceiversPage> {
  return recordOperation(
    { parts, call, caller: live },
    { action: 'audit.search', query: `receivers ${describeQuery(query)}` },
    async (operator) => {
      requireRole(operator, 'auditor');
      const { items, ...rest } = await findDisclosures(parts.audit, query, page);
      const receipts = new Map<string, Receipt>();
      const slices = new LoopYielder(parts.clock);
      for (const found of items) {
        add(receipts, found);
        if (slices.isOver) await slices.next();
      }
      const shown: Receipt[] = [];
      for (const receipt of receipts.values()) {
        shown.push({ ...receipt, validUntil: await validUntil(parts, receipt) });
        if (slices.isOver) await slices.next();
      }
      return { items: shown, ...rest };
    },
  );
}

async function findDisclosures(
  audit: AuditLog,
  query: ReceiversQuery,
  { limit, after }: PageRequest,
): Promise<LogPage> {
  const [, at = '0', index] = CURSOR.exec(after ?? '0') ?? [];
  if (after !== undefined && !CURSOR.test(after))
    throw new BrokerError('ERR_REQUEST_INVALID', 'the cursor is not valid');
  const items: LogEntry[] = [];
  let archived: ArchivedPart | undefined;
  for (let part = Number(at), from = index; part < DISCLOSURES.length; part++, from = undefined) {
    if (items.length === limit) return { items, next: String(part) };
    const found = await audit.search(
      { ...query, outcome: 'ok', action: DISCLOSURES[part] },
      { limit: limit - items.length, after: from },
    );
    items.push(...found.items);
    if (found.next !== undefined) return { items, next: `${part}.${found.next}` };
    archived = found.archived;
  }
  return { items, archived };
}

/** Members of an entry that name the caller and what it received; internals/spec/audit-log-v1.md. */
interface Entry {
  readonly time: string;
  readonly actor: {
    readonly kind: string;
    readonly id?: string;
    readonly podName?: string;
    readonly podUid?: string;
    readonly nodeName?: string;
  };
  readonly action: DisclosureAction;
  readonly version?: string;
  readonly lease?: string;
  readonly credential?: string;
}

/** Entries of one action come newest first. */
function add(receipts: Map<string, Receipt>, { index, entry }: LogEntry): void {
  const { time, actor, action, version, lease, credential } = JSON.parse(entry) as Entry;
  const { id, kind, podName: pod, podUid, nodeName: node } = actor;
  const receiver = id ?? kind;
  const key = JSON.stringify([receiver, podUid, action, version, lease, credential]);
  const { reads = 0, last = time, lastIndex = index } = receipts.get(key) ?? {};
  receipts.set(key, {
    receiver,
    pod,
    podUid,
    node,
    action,
    version,
    lease,
    credential,
    reads: reads + 1,
    first: time,
    last,
    firstIndex: index,
    lastIndex,
  });
}

/** A lease that ended long ago has no row. */
async function validUntil(
  { store, clock }: Recording,
  { lease: id }: Receipt,
): Promise<number | undefined> {
  const row = id === undefined ? undefined : await store.get('leases', { id });
  return row?.state === 'live' && row.ends_at > clock.now() ? row.ends_at : undefined;
}
