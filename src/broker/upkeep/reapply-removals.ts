import type { PlanFragment, Write } from '../../ports/store.ts';
import { allRows } from '../../ports/queries.ts';
import type { ProvenQuarantine, Removals } from '../../ports/removals.ts';
import { authenticateDocumentVersion } from '../model/document.ts';
import type { DocumentKind } from '../model/kinds.ts';
import { listAll } from '../kernel/list-all.ts';
import type { KeyringRowMacs } from '../kernel/row-macs.ts';
import type { SystemActor } from '../recording/record.ts';
import type { Recordable, Storage } from '../state/dependencies.ts';
import { Quarantines } from '../state/quarantine-memory.ts';

/** Sessions of people have names that no operator document has. */
const PERSON = 'oidc:';
/** Cause in the entries of what a release applies again. */
const CAUSE = 'newer_log';

type Parts = Pick<Storage, 'store' | 'clock'> & {
  readonly rows: KeyringRowMacs;
  readonly actor: SystemActor;
  /** Bound of a session's lifetime. */
  readonly maxSessionSeconds: number;
};

export interface Reapplied {
  readonly removals: Removals;
  /** Ends the sessions of people, whether or not the log proves their end. */
  readonly endLogins: boolean;
  /** Ends all operator tokens, those of people included. */
  readonly endTokens: boolean;
}

/** One kind of removal: what the newer log proves, and what of it the store still has. */
export interface Reapplication {
  readonly what: string;
  readonly proven: number;
  readonly found: readonly string[];
}

export interface ReapplicationPlan {
  readonly kinds: readonly Reapplication[];
  /** Documents that an operator must remove: each cannot be removed while a rotation is in progress. */
  readonly left: readonly string[];
  readonly fragment: Required<Pick<PlanFragment, 'writes'>> & {
    readonly entries: readonly string[];
  };
}

interface Step {
  readonly name: string;
  readonly writes: readonly Write[];
  readonly event: Recordable;
}

/**
 * Plans the removals that a restored store lacks, as one commit, for the commit that unlocks the store. It leaves out what is gone already, so a repeated
 * call changes nothing. No broker may use the store: nothing is invalidated.
 */
export async function planReapplication(
  parts: Parts,
  { removals, endLogins, endTokens }: Reapplied,
): Promise<ReapplicationPlan> {
  const tokens = await tokenSteps(parts, removals);
  const ended = new Set(tokens.map(({ name }) => name));
  const others = (isMeant: (operator: string) => boolean): Promise<readonly Step[]> =>
    loginSteps(parts, (id, operator) => !ended.has(id) && isMeant(operator));
  const logins = endLogins || endTokens ? await others((name) => name.startsWith(PERSON)) : [];
  const bearers = endTokens ? await others((name) => !name.startsWith(PERSON)) : [];
  const [documents, left] = await documentSteps(parts, removals);
  const kinds = [
    ['documents deleted', removals.documents.length, documents],
    ['operator tokens revoked', removals.tokens.length, tokens],
    ['security keys removed', removals.securityKeys.length, await keySteps(parts, removals)],
    ['quarantines', removals.quarantines.length, await quarantineSteps(parts, removals)],
    ['sessions of workloads ended', removals.sessions.length, await sessionSteps(parts, removals)],
    ['further sessions of people', logins.length, logins],
    ['further operator tokens', bearers.length, bearers],
  ] as const;
  const steps = kinds.flatMap(([, , each]) => each);
  return {
    kinds: kinds.map(([what, proven, each]) => ({
      what,
      proven,
      found: each.map(({ name }) => name),
    })),
    left,
    fragment: {
      writes: steps.flatMap(({ writes }) => writes),
      entries: steps.map(({ event }) => parts.actor.entry(event)),
    },
  };
}

async function documentSteps(
  { store, clock, rows }: Parts,
  { documents }: Removals,
): Promise<readonly [readonly Step[], readonly string[]]> {
  const steps: Step[] = [];
  const left: string[] = [];
  for (const { kind, name } of documents) {
    const row = await store.get('documents', { kind, name });
    if (row === undefined) continue;
    const schedule =
      kind === 'definition' ? await store.get('rotation_schedules', { path: name }) : undefined;
    if (schedule !== undefined && schedule.active_id !== null) {
      left.push(`${kind}/${name}: abort the rotation ${schedule.active_id}, then delete it`);
      continue;
    }
    const { uid, version } = row;
    const gone = authenticateDocumentVersion(rows, {
      kind: kind as DocumentKind,
      name,
      uid,
      version: version + 1,
      updatedAt: clock.now(),
      updatedBy: CAUSE,
    });
    const document = { kind, name, version };
    steps.push({
      name: `${kind}/${name}`,
      writes: [
        { table: 'documents', remove: { kind, name } },
        { table: 'document_versions', put: gone },
        ...(schedule === undefined
          ? []
          : [{ table: 'rotation_schedules', remove: { path: name } } as const]),
      ],
      event: { action: 'document.delete', outcome: 'ok', document, cause: CAUSE },
    });
  }
  return [steps, left];
}

async function tokenSteps({ store }: Parts, { tokens }: Removals): Promise<readonly Step[]> {
  const steps: Step[] = [];
  for (const id of tokens) {
    const row = await store.get('operator_tokens', { id });
    if (row !== undefined) steps.push(tokenStep(id, row.operator));
  }
  return steps;
}

async function loginSteps(
  { store }: Parts,
  isMeant: (id: string, operator: string) => boolean,
): Promise<readonly Step[]> {
  const steps: Step[] = [];
  for await (const { id, operator } of listAll(store, allRows('operator_tokens')))
    if (isMeant(id, operator)) steps.push(tokenStep(id, operator));
  return steps;
}

function tokenStep(token: string, operator: string): Step {
  const document = { kind: 'operator', name: operator };
  return {
    name: token,
    writes: [{ table: 'operator_tokens', remove: { id: token } }],
    event: { action: 'operator-token.revoke', outcome: 'ok', document, token, cause: CAUSE },
  };
}

async function keySteps({ store }: Parts, { securityKeys }: Removals): Promise<readonly Step[]> {
  const steps: Step[] = [];
  for (const id of securityKeys) {
    const row = await store.get('security_keys', { id });
    if (row === undefined) continue;
    const document = { kind: 'operator', name: row.person };
    steps.push({
      name: id,
      writes: [{ table: 'security_keys', remove: { id } }],
      event: { action: 'security-key.remove', outcome: 'ok', document, query: `key=${id}` },
    });
  }
  return steps;
}

async function sessionSteps(
  { store, clock, maxSessionSeconds }: Parts,
  { sessions }: Removals,
): Promise<readonly Step[]> {
  const steps: Step[] = [];
  const ends_at = clock.now() + maxSessionSeconds * 1000;
  for (const id of sessions) {
    if ((await store.get('sessions', { id })) === undefined) continue;
    steps.push({
      name: id,
      writes: [
        { table: 'sessions', remove: { id } },
        // The expiry worker of the next start ends the leases.
        { table: 'ended_sessions', put: { id, ends_at, mac: null, ends_leases: 1 } },
      ],
      event: { action: 'session.end', outcome: 'ok', session: id, cause: CAUSE },
    });
  }
  return steps;
}

async function quarantineSteps(
  { store, rows, clock }: Parts,
  { quarantines }: Removals,
): Promise<readonly Step[]> {
  const memory = new Quarantines(store, rows, clock);
  const steps: Step[] = [];
  for (const proven of quarantines) {
    const { kind, subject, id, endsAt } = proven;
    const row = await store.get('quarantines', { kind, subject });
    const standing = row === undefined ? undefined : (row.ends_at ?? Infinity);
    if ((endsAt ?? Infinity) <= Math.max(standing ?? 0, clock.now())) continue;
    steps.push({
      name: `${kind}:${subject}`,
      writes: [{ table: 'quarantines', put: memory.seal(proven) }],
      event: {
        action: 'quarantine.create',
        outcome: 'ok',
        quarantine: id,
        cause: CAUSE,
        comment: proven.reason,
        ...(endsAt !== undefined && { endsAt }),
        ...factsOf(proven),
      },
    });
  }
  return steps;
}

function factsOf({
  kind,
  subject,
}: ProvenQuarantine): Pick<
  Extract<Recordable, { readonly action: 'quarantine.create' }>,
  'workload' | 'pod' | 'document'
> {
  if (kind === 'workload') return { workload: subject };
  if (kind === 'operator') return { document: { kind, name: subject } };
  const slash = subject.indexOf('/');
  const [cluster, uid] = [subject.slice(0, slash), subject.slice(slash + 1)];
  return { pod: { cluster, namespace: '', name: '', uid } };
}
