import { ACTION_ROWS } from '../audit-actions.ts';
import type { FormatRow } from '../format-row.ts';

/** One entry with its place in the log. */
export interface LocatedEntry {
  readonly origin: string;
  readonly index: number;
  /** ASCII, as in the log. */
  readonly entry: string;
  /** RFC 6962, hexadecimal. */
  readonly leafHash: string;
}

interface Named {
  readonly kind?: string;
  readonly name?: string;
}

/** The members of an entry that the formats map; internals/spec/audit-log-v1.md has all of them. */
export interface EntryMembers {
  readonly writer?: string;
  readonly time: string;
  readonly requestId?: string;
  readonly action: string;
  readonly outcome: 'ok' | 'deny' | 'error';
  readonly code?: string;
  readonly reason?: string;
  readonly actor?: {
    readonly kind?: string;
    readonly id?: string;
    readonly namespace?: string;
    readonly serviceAccount?: string;
    readonly serviceAccountUid?: string;
    readonly podName?: string;
    readonly podUid?: string;
    readonly nodeName?: string;
    readonly session?: string;
    readonly token?: string;
  };
  readonly client?: {
    readonly address?: string;
    readonly userAgent?: string;
    readonly target?: string;
  };
  readonly path?: string;
  readonly version?: string;
  readonly lease?: string;
  readonly credential?: string;
  readonly session?: string;
  readonly workload?: string;
  readonly token?: string;
  readonly rotation?: string;
  readonly quarantine?: string;
  readonly approval?: string;
  readonly comment?: string;
  readonly count?: number;
  readonly endsAt?: string;
  readonly policy?: { readonly name: string; readonly version: number; readonly rule: string };
  readonly document?: Named;
  readonly pod?: { readonly uid?: string; readonly name?: string };
}

/** An entry, parsed, with the row of its action. */
export interface LogRecord {
  readonly located: LocatedEntry;
  readonly entry: EntryMembers;
  readonly row: FormatRow;
  /** 0 to 10, of the action and its outcome. */
  readonly severity: number;
  /** The name of the object; undefined if the action has none. */
  readonly object: string | undefined;
  /** Milliseconds since the epoch. */
  readonly time: number;
}

/** An action that a later release wrote. */
const UNKNOWN: FormatRow = {
  class: 'api',
  activity: 99,
  severity: 3,
  verb: 'get',
  resource: 'unknown',
};
const LEAST_SEVERITY = { ok: 0, deny: 6, error: 4 } as const;

export function recordOf(located: LocatedEntry): LogRecord {
  const entry = JSON.parse(located.entry) as EntryMembers;
  const rows: Readonly<Record<string, FormatRow | undefined>> = ACTION_ROWS;
  const known = Object.hasOwn(rows, entry.action) ? rows[entry.action] : undefined;
  const row = known ?? UNKNOWN;
  return {
    located,
    entry,
    row,
    object: objectOf(entry),
    time: Date.parse(entry.time),
    severity: Math.max(row.severity, LEAST_SEVERITY[entry.outcome]),
  };
}

function objectOf(entry: EntryMembers): string | undefined {
  const { document, pod } = entry;
  const named = document && `${document.kind ?? ''}/${document.name ?? ''}`;
  const { path, quarantine, approval, token, credential, lease, session, workload } = entry;
  const found = [path, named, quarantine, approval, token, credential, lease, session, workload];
  return found.find((each) => each !== undefined) ?? pod?.uid;
}

/** The caller as one word. */
export function actorName({ actor }: EntryMembers): string {
  return actor?.id ?? actor?.kind ?? 'unknown';
}

/** Drops members that are undefined. */
export function present<T extends object>(members: T): Partial<T> {
  const kept = Object.entries(members).filter(([, value]) => value !== undefined);
  return Object.fromEntries(kept) as Partial<T>;
}

const BEYOND_ASCII = /[\u007f-\uffff]/g;

/** JSON in printable ASCII, on one line, as entries are. */
export function asciiJson(value: object): string {
  return JSON.stringify(value).replace(
    BEYOND_ASCII,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
