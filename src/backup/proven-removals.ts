import { z } from 'zod';
import type { ProvenQuarantine, Removals } from '../ports/removals.ts';
import type { NewerLog } from './lost-changes.ts';

/** The members of an entry that prove a removal. Entries of later releases may have more. */
const entrySchema = z.looseObject({
  time: z.iso.datetime(),
  action: z.string(),
  outcome: z.string(),
  actor: z.looseObject({ id: z.string().optional(), name: z.string().optional() }),
  document: z.looseObject({ kind: z.string(), name: z.string() }).optional(),
  token: z.string().optional(),
  session: z.string().optional(),
  workload: z.string().optional(),
  pod: z.looseObject({ cluster: z.string(), uid: z.string() }).optional(),
  quarantine: z.string().optional(),
  query: z.string().optional(),
  comment: z.string().optional(),
  endsAt: z.iso.datetime().optional(),
});

type Entry = z.output<typeof entrySchema>;

const KEY = /^key=(\S+)$/;

/** Removals by what they remove, so that each counts once. */
interface Found {
  readonly documents: Map<string, { readonly kind: string; readonly name: string }>;
  readonly tokens: Set<string>;
  readonly securityKeys: Set<string>;
  readonly sessions: Set<string>;
  readonly quarantines: Map<string, ProvenQuarantine>;
}

const COLLECT: Partial<Readonly<Record<string, (found: Found, entry: Entry) => void>>> = {
  'document.delete': ({ documents }, { document }) => {
    if (document === undefined) return;
    const { kind, name } = document;
    documents.set(`${kind}/${name}`, { kind, name });
  },
  'operator-token.revoke': ({ tokens }, { token }) => {
    if (token !== undefined) tokens.add(token);
  },
  'security-key.remove': ({ securityKeys }, { query = '' }) => {
    const key = KEY.exec(query)?.[1];
    if (key !== undefined) securityKeys.add(key);
  },
  'session.end': ({ sessions }, { session }) => {
    if (session !== undefined) sessions.add(session);
  },
  'quarantine.create': ({ quarantines }, entry) => {
    const scope = scopeOf(entry);
    if (scope !== undefined) quarantines.set(scope.id, quarantineOf(entry, scope));
  },
  'quarantine.lift': ({ quarantines }, entry) => {
    const scope = scopeOf(entry);
    if (scope !== undefined) quarantines.delete(scope.id);
  },
};

/**
 * Collects what the entries of a verified log removed or restricted. A document that was deleted and written again counts as deleted: the restored
 * store has the text of before, which may grant more. A quarantine that was lifted later does not count.
 */
export async function removalsIn(log: NewerLog): Promise<Removals> {
  const found: Found = {
    documents: new Map(),
    tokens: new Set(),
    securityKeys: new Set(),
    sessions: new Set(),
    quarantines: new Map(),
  };
  for await (const { entry: text } of log.entries()) {
    const entry = entrySchema.safeParse(JSON.parse(text)).data;
    if (entry?.outcome === 'ok') COLLECT[entry.action]?.(found, entry);
  }
  return {
    documents: [...found.documents.values()],
    tokens: [...found.tokens],
    securityKeys: [...found.securityKeys],
    sessions: [...found.sessions],
    quarantines: [...found.quarantines.values()],
  };
}

interface Scope {
  readonly kind: ProvenQuarantine['kind'];
  readonly subject: string;
  readonly id: string;
}

function scopeOf({ workload, pod, document }: Entry): Scope | undefined {
  const of = (kind: Scope['kind'], subject: string): Scope => {
    return { kind, subject, id: `${kind}:${subject}` };
  };
  if (workload !== undefined) return of('workload', workload);
  if (pod !== undefined) return of('pod', `${pod.cluster}/${pod.uid}`);
  return document?.kind === 'operator' ? of('operator', document.name) : undefined;
}

function quarantineOf(entry: Entry, { kind, subject }: Scope): ProvenQuarantine {
  const { time, actor, quarantine, comment, endsAt } = entry;
  return {
    kind,
    subject,
    id: quarantine ?? '',
    reason: comment ?? 'recorded in a newer log',
    createdBy: actor.id ?? actor.name ?? 'unknown',
    createdAt: Date.parse(time),
    endsAt: endsAt === undefined ? undefined : Date.parse(endsAt),
  };
}
