import type { PlanFragment } from '../../ports/store.ts';
import { allRows } from '../../ports/queries.ts';
import type { Removals } from '../../ports/removals.ts';
import { listAll } from '../kernel/list-all.ts';
import type { SystemActor } from '../recording/record.ts';
import { documentSteps } from './document-removals.ts';
import { CAUSE, type Step, type StepParts } from './removal-step.ts';
import { approvalSteps, quarantineSteps } from './restored-restrictions.ts';

/** Sessions of people have names that no operator document has. */
const PERSON = 'oidc:';

type Parts = StepParts & {
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
  /** Documents that an operator must decide on, each with the reason. */
  readonly left: readonly string[];
  readonly fragment: Required<Pick<PlanFragment, 'writes'>> & {
    readonly entries: readonly string[];
  };
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
  const enrolments = await enrolmentSteps(parts);
  const [documents, left] = await documentSteps(parts, removals);
  const kinds = [
    ['documents deleted', removals.documents.length, documents],
    ['operator tokens revoked', removals.tokens.length, tokens],
    ['security keys removed', removals.securityKeys.length, await keySteps(parts, removals)],
    ['quarantines', removals.quarantines.length, await quarantineSteps(parts, removals)],
    ['sessions of workloads ended', removals.sessions.length, await sessionSteps(parts, removals)],
    ['signatures deleted', removals.attestations.length, await attestationSteps(parts, removals)],
    ['reports deleted', removals.evidence.length, await evidenceSteps(parts, removals)],
    ['approvals ended or used', removals.approvals.length, await approvalSteps(parts, removals)],
    ['wrapped answers opened', removals.wrappings.length, await wrappingSteps(parts, removals)],
    ['enrolments of clusters ended', enrolments.length, enrolments],
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

/** A copy may have a code that was used since, or a credential that was ended: each cluster enrols again. */
async function enrolmentSteps({ store }: Parts): Promise<readonly Step[]> {
  const steps: Step[] = [];
  for await (const { cluster } of listAll(store, allRows('enrolments')))
    steps.push({
      name: cluster,
      writes: [{ table: 'enrolments', remove: { cluster } }],
      event: {
        action: 'enrolment.end',
        outcome: 'ok',
        document: { kind: 'cluster', name: cluster },
        cause: 'restored',
      },
    });
  return steps;
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

async function attestationSteps(
  { store }: Parts,
  { attestations }: Removals,
): Promise<readonly Step[]> {
  if (attestations.length === 0) return [];
  const steps: Step[] = [];
  for await (const { digest, id } of listAll(store, allRows('attestations'))) {
    if (!attestations.includes(id)) continue;
    const document = { kind: 'attestation', name: id };
    steps.push({
      name: id,
      writes: [{ table: 'attestations', remove: { digest, id } }],
      event: { action: 'attestation.delete', outcome: 'ok', document, cause: CAUSE },
    });
  }
  return steps;
}

async function evidenceSteps({ store }: Parts, { evidence }: Removals): Promise<readonly Step[]> {
  const steps: Step[] = [];
  for (const id of evidence) {
    if ((await store.get('image_evidence', { id })) === undefined) continue;
    const document = { kind: 'evidence', name: id };
    steps.push({
      name: id,
      writes: [{ table: 'image_evidence', remove: { id } }],
      event: { action: 'evidence.delete', outcome: 'ok', document, cause: CAUSE },
    });
  }
  return steps;
}

async function wrappingSteps({ store }: Parts, { wrappings }: Removals): Promise<readonly Step[]> {
  const steps: Step[] = [];
  for (const id of wrappings) {
    const row = await store.get('wrapped_answers', { id });
    if (row === undefined) continue;
    steps.push({
      name: id,
      writes: [{ table: 'wrapped_answers', remove: { id } }],
      event: {
        action: 'wrapping.open',
        outcome: 'ok',
        token: id,
        session: row.session_id,
        workload: row.workload,
        cause: CAUSE,
      },
    });
  }
  return steps;
}
