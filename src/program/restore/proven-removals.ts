import * as z from 'zod';
import type { ProvenQuarantine, RemovedDocument, Removals } from '../../ports/removals.ts';
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
  alert: z.string().optional(),
  approval: z.string().optional(),
  cause: z.string().optional(),
  query: z.string().optional(),
  comment: z.string().optional(),
  endsAt: z.iso.datetime().optional(),
});

type Entry = z.output<typeof entrySchema>;

const KEY = /^key=(\S+)$/;
/** Cause of the deletion of evidence that no pod used. The broker decides that again. */
const UNUSED = 'unused';

/** Removals by what they remove, so that each counts once. */
interface Found {
  readonly documents: Map<string, RemovedDocument>;
  readonly tokens: Set<string>;
  readonly securityKeys: Set<string>;
  readonly sessions: Set<string>;
  readonly quarantines: Map<string, ProvenQuarantine>;
  readonly attestations: Set<string>;
  readonly evidence: Set<string>;
  readonly approvals: Set<string>;
  readonly wrappings: Set<string>;
}

type Collect = (found: Found, entry: Entry) => void;

/** An approval that was used once, and one that was denied or withdrawn, must not count again. */
const endsApproval: Collect = ({ approvals }, { approval }) => {
  if (approval !== undefined) approvals.add(approval);
};

const COLLECT: Partial<Readonly<Record<string, Collect>>> = {
  'document.delete': ({ documents }, { document }) => {
    if (document === undefined) return;
    const { kind, name } = document;
    documents.set(`${kind}/${name}`, { kind, name, isWrittenAgain: false });
  },
  'document.write': ({ documents }, { document }) => {
    if (document === undefined) return;
    const id = `${document.kind}/${document.name}`;
    const deleted = documents.get(id);
    if (deleted !== undefined) documents.set(id, { ...deleted, isWrittenAgain: true });
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
  // The suspensions of a dismissed response end without entries of their own.
  'alert.dismiss': ({ quarantines }, { alert }) => {
    for (const [id, { mode, alert: own }] of quarantines)
      if (mode === 'suspended' && own === alert) quarantines.delete(id);
  },
  'attestation.push': ({ attestations }, { document }) => {
    if (document !== undefined) attestations.delete(document.name);
  },
  'attestation.delete': ({ attestations }, { document }) => {
    if (document !== undefined) attestations.add(document.name);
  },
  'evidence.delete': ({ evidence }, { document, cause }) => {
    if (document !== undefined && cause !== UNUSED) evidence.add(document.name);
  },
  'approval.deny': endsApproval,
  'approval.withdraw': endsApproval,
  'approval.use': endsApproval,
  'wrapping.open': ({ wrappings }, { token }) => {
    if (token !== undefined) wrappings.add(token);
  },
};

/**
 * Collects what the entries of a verified log removed or restricted. A document that was deleted and written again counts as deleted, with a mark: the
 * restored store has the text of before, which may grant more. A quarantine that was lifted later does not count.
 */
export async function removalsIn(log: NewerLog): Promise<Removals> {
  const found: Found = {
    documents: new Map(),
    tokens: new Set(),
    securityKeys: new Set(),
    sessions: new Set(),
    quarantines: new Map(),
    attestations: new Set(),
    evidence: new Set(),
    approvals: new Set(),
    wrappings: new Set(),
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
    attestations: [...found.attestations],
    evidence: [...found.evidence],
    approvals: [...found.approvals],
    wrappings: [...found.wrappings],
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
  const { time, actor, quarantine, comment, endsAt, alert, cause } = entry;
  return {
    kind,
    subject,
    id: quarantine ?? '',
    mode: cause === 'suspended' ? cause : undefined,
    alert,
    reason: comment ?? 'recorded in a newer log',
    createdBy: actor.id ?? actor.name ?? 'unknown',
    createdAt: Date.parse(time),
    endsAt: endsAt === undefined ? undefined : Date.parse(endsAt),
  };
}
