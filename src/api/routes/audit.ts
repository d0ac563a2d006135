import * as z from 'zod';
import {
  proveEntry as prove,
  readCheckpoint as checkpoint,
  readHeads as heads,
  readLogKey as logKey,
  readTile as tile,
  searchAudit as search,
  traceAudit as traceValue,
} from '../../broker/recording/audit.ts';
import { listReceivers as receivers } from '../../broker/upkeep/receivers.ts';
import type { AuditQuery, LogEntry, LogPage } from '../../ports/audit-log.ts';
import { AUDIT_ACTIONS, AUDIT_OUTCOMES } from '../../domain/audit/audit-actions.ts';
import { ERRORS } from '../../domain/errors.ts';
import { instant } from '../../domain/time/instant.ts';
import { JSON_TYPE, PLAIN_TEXT } from '../request/answers.ts';
import { entryIndex, secretData, secretPath } from '../request/fields.ts';
import { PAGE_QUERY, readPage, pageJson } from '../request/page-query.ts';
import { parseInput, parseParameter } from '../request/parse-input.ts';
import type { Query } from '../request/query.ts';
import type { RouteOf } from '../request/route.ts';

/** Names of the filter's text fields; an entry must match all that are given. */
const TEXTS = [
  'workload',
  'cluster',
  'namespace',
  'pod',
  'operator',
  'system',
  'path',
  'pathPrefix',
  'document',
  'locator',
  'action',
  'outcome',
  'code',
  'version',
  'lease',
  'credential',
  'session',
  'token',
  'requestId',
  'fingerprint',
] as const satisfies readonly Exclude<keyof AuditQuery, 'from' | 'to'>[];
const TIMES = ['from', 'to'] as const;

const text = z.string().min(1).max(512).optional();
const time = z.iso
  .datetime({ offset: true, error: 'a time is written like 2026-01-05T10:00:00Z' })
  .transform((value) => Date.parse(value))
  .optional();

export const searchAudit: RouteOf<'searchAudit'> = {
  query: [...TEXTS, ...TIMES, ...PAGE_QUERY],
  read: ({ query }) => {
    const asked = { query: filterOf(query), page: readPage(query) };
    return async ({ parts, call, caller }) => {
      const found = await search(parts, call, caller, asked);
      return { status: 200, headers: JSON_TYPE, body: shownEntries(found) };
    };
  },
};

/** Filters whose values are a closed set: an unknown word would match nothing, and the caller would conclude that nothing happened. */
const CLOSED: Readonly<Partial<Record<(typeof TEXTS)[number], z.ZodType<string | undefined>>>> = {
  action: oneOf('action', AUDIT_ACTIONS),
  outcome: oneOf('outcome', AUDIT_OUTCOMES),
  code: oneOf('code', Object.keys(ERRORS)),
};

function oneOf(name: string, words: readonly string[]): z.ZodType<string | undefined> {
  return z.enum(words, `"${name}" must be one of ${words.join(', ')}`).optional();
}

function filterOf(query: Query): AuditQuery {
  const filter: Record<string, string | number> = {};
  for (const name of TEXTS) {
    const value = parseParameter(CLOSED[name] ?? text, query.get(name));
    if (value !== undefined) filter[name] = value;
  }
  for (const name of TIMES) {
    const value = parseParameter(time, query.get(name));
    if (value !== undefined) filter[name] = value;
  }
  return filter;
}

export const listReceivers: RouteOf<'listReceivers'> = {
  query: ['path', 'version', ...TIMES, ...PAGE_QUERY],
  read: ({ query }) => {
    const path = parseParameter(secretPath, query.get('path'));
    const asked = { query: { ...filterOf(query), path }, page: readPage(query) };
    return async ({ parts, call, caller }) => {
      const { archived, ...page } = await receivers(parts, call, caller, asked);
      const items = pageJson(page, ({ validUntil, ...receipt }) => ({
        ...receipt,
        ...(validUntil !== undefined && { validUntil: instant(validUntil) }),
      }));
      return { status: 200, body: { ...items, ...(archived && { archived }) } };
    };
  },
};

const trace = z.strictObject({
  data: secretData,
  pathPrefix: text,
  from: time,
  to: time,
  limit: z.int().min(1).max(1_000).default(100),
  after: z.string().min(1).max(20).optional(),
});
const TRACE_BYTES = 1_048_576;

/** The value is in the body, which access logs do not keep. It is neither recorded nor repeated. */
export const traceAudit: RouteOf<'traceAudit'> = {
  body: { maxBytes: TRACE_BYTES },
  read: ({ body }) => {
    const { data, pathPrefix, from, to, limit, after } = parseInput(trace, body?.value);
    const asked = { data, query: { pathPrefix, from, to }, page: { limit, after } };
    return async ({ parts, call, caller }) => {
      const found = await traceValue(parts, call, caller, asked);
      return { status: 200, headers: JSON_TYPE, body: shownEntries(found) };
    };
  },
};

function shownEntries({ items, next, archived }: LogPage): string {
  const more =
    (next === undefined ? '' : `,"next":${JSON.stringify(next)}`) +
    (archived === undefined ? '' : `,"archived":${JSON.stringify(archived)}`);
  return `{"items":[${items.map(explainedEntryJson).join(',')}]${more}}`;
}

/** The entry's own bytes, which are canonical JSON, as a member of another object. */
function explainedEntryJson({ index, entry }: LogEntry): string {
  return `{"index":${index},"entry":${entry}}`;
}

export const proveEntry: RouteOf<'proveEntry'> = {
  read: ({ params }) => {
    const index = parseParameter(entryIndex, params['index']);
    return async ({ parts, call, caller }) => {
      const proof = await prove(parts, call, caller, index);
      return {
        status: 200,
        body: {
          index: proof.index,
          entry: proof.entry,
          leaf: base64(proof.leaf),
          hashes: proof.hashes.map(base64),
          checkpoint: proof.checkpoint.note,
        },
      };
    };
  },
};

const witnessedOnly = z
  .enum(['true', 'false'], '"witnessed" is true or false')
  .transform((text) => text === 'true')
  .optional();

/** A C2SP signed note, in the form that transparency-log tools fetch. */
export const readCheckpoint: RouteOf<'readCheckpoint'> = {
  query: ['witnessed'],
  read: ({ query }) => {
    const witnessed = parseParameter(witnessedOnly, query.get('witnessed'));
    return async ({ parts, call, caller }) => {
      const { note } = await checkpoint(parts, call, caller, witnessed);
      return { status: 200, headers: PLAIN_TEXT, body: note };
    };
  },
};

/** C2SP signed note: anyone can verify the checkpoints with this key. */
export const readLogKey: RouteOf<'readLogKey'> = {
  read:
    () =>
    async ({ parts, call, caller }) => {
      const key = await logKey(parts, call, caller);
      return { status: 200, headers: PLAIN_TEXT, body: `${key}\n` };
    },
};

/**
 * Lists signed heads of the commits, from the commit that holds the entry `start`. The next page starts at the end of the last
 * head.
 */
export const listHeads: RouteOf<'listHeads'> = {
  query: ['start'],
  read: ({ query }) => {
    const start = parseParameter(entryIndex, query.get('start') ?? '0');
    return async ({ parts, call, caller }) => ({
      status: 200,
      body: { items: await heads(parts, call, caller, start) },
    });
  },
};

/** Serves C2SP tlog-tiles below `/api/v1/audit`: `tile/<level>/<index>`, `tile/entries/<index>`. */
export const readTile: RouteOf<'readTile'> = {
  read: ({ params }) => {
    const path = `tile/${params['path'] ?? ''}`;
    return async ({ parts, call, caller }) => {
      const bytes = Buffer.from(await tile(parts, call, caller, path));
      return { status: 200, headers: ['Content-Type', 'application/octet-stream'], body: bytes };
    };
  },
};

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64');
}
