import type { CommittedEntry } from './commit-order.ts';

/** A read that committed after an invalidation that should have stopped it. */
export interface Overtaken {
  readonly rule: string;
  readonly read: CommittedEntry;
  readonly invalidation: CommittedEntry;
}

export interface Checked {
  readonly reads: number;
  readonly invalidations: number;
  /** Reads of the same session, policy or path in one of the three commits before its invalidation. It shows how close the races were. */
  readonly close: number;
  readonly overtaken: readonly Overtaken[];
}

/** Limit in commits, not in time: on a slow disk every commit takes longer than any limit. */
const CLOSE_COMMITS = 3;

/** Rule of invalidations and reads: `key` of an invalidation matches one of the `keys` of a read. */
interface Rule {
  readonly name: string;
  /** Gives the key of an invalidation; undefined: this rule does not treat the entry as one. */
  readonly key: (entry: CommittedEntry) => string | undefined;
  readonly keyOfRead: (entry: CommittedEntry) => string | undefined;
  /** Reports whether a read after the invalidation is nevertheless allowed. */
  readonly allows: (
    read: CommittedEntry,
    invalidation: CommittedEntry,
    lifted: (invalidation: CommittedEntry) => number,
  ) => boolean;
}

const never = (): boolean => false;

const RULES: readonly Rule[] = [
  {
    name: 'no read by a session that has ended',
    key: (entry) => (entry.action === 'session.end' ? text(entry['session']) : undefined),
    keyOfRead: ({ actor }) => actor['session'],
    allows: never,
  },
  {
    name: 'no read of a version whose lease was revoked from the session',
    key: (entry) =>
      entry.action === 'lease.revoke' && entry['cause'] === 'revoked' && 'session' in entry
        ? leaseKey(entry, text(entry['session']))
        : undefined,
    keyOfRead: (entry) => leaseKey(entry, entry.actor['session']),
    allows: never,
  },
  {
    name: 'no read under a version of a policy that was replaced',
    key: (entry) => policyKey(entry['document']),
    keyOfRead: (entry) => text((entry['policy'] as { name?: unknown } | undefined)?.name),
    allows: (read, write) =>
      (read['policy'] as { version: number }).version >=
      ((write['document'] as { version?: number }).version ?? Infinity),
  },
  {
    name: 'no read by a workload in quarantine',
    key: (entry) => (entry.action === 'quarantine.create' ? text(entry['workload']) : undefined),
    keyOfRead: ({ actor }) => actor['id'],
    allows: (read, quarantine, lifted) => read.committedAt >= lifted(quarantine),
  },
  {
    name: 'no read of a version that was replaced',
    key: (entry) => (entry.action === 'secret.write' ? text(entry['path']) : undefined),
    keyOfRead: (entry) => text(entry['path']),
    allows: (read, write) => Number(read['version']) >= Number(write['version']),
  },
];

/**
 * Compares every disclosed read with every invalidation that committed before it. `entries` are in commit order; two with the same time
 * have no order and are not compared.
 */
export function checkReads(entries: readonly CommittedEntry[]): Checked {
  const ok = entries.filter(({ outcome }) => outcome === 'ok');
  const reads = ok.filter(({ action }) => action === 'secret.read');
  const overtaken: Overtaken[] = [];
  const lifts = new Map(
    ok
      .filter(({ action }) => action === 'quarantine.lift')
      .map((entry) => [text(entry['quarantine']), entry.committedAt]),
  );
  const lifted = (entry: CommittedEntry): number =>
    lifts.get(text(entry['quarantine'])) ?? Infinity;
  const ranks = new Map(
    [...new Set(ok.map(({ committedAt }) => committedAt))].map((time, rank) => [time, rank]),
  );
  const rank = ({ committedAt }: CommittedEntry): number => ranks.get(committedAt) ?? 0;
  let invalidations = 0;
  let close = 0;
  for (const rule of RULES) {
    const readsOf = Map.groupBy(reads, rule.keyOfRead);
    for (const invalidation of ok) {
      const key = rule.key(invalidation);
      if (key === undefined) continue;
      invalidations += 1;
      for (const read of readsOf.get(key) ?? []) {
        const after = read.committedAt - invalidation.committedAt;
        if (after < 0 && rank(invalidation) - rank(read) <= CLOSE_COMMITS) close += 1;
        if (after > 0 && !rule.allows(read, invalidation, lifted))
          overtaken.push({ rule: rule.name, read, invalidation });
      }
    }
  }
  return { reads: reads.length, invalidations, close, overtaken };
}

function policyKey(document: unknown): string | undefined {
  const { kind, name } = (document ?? {}) as { readonly kind?: string; readonly name?: string };
  return kind === 'policy' ? name : undefined;
}

function leaseKey(entry: CommittedEntry, session: string | undefined): string {
  return `${session ?? ''} ${text(entry['path'])} ${text(entry['version'])}`;
}

function text(fact: unknown): string {
  return typeof fact === 'string' ? fact : '';
}
