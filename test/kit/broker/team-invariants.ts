import { MOST_OF_DIGEST } from '../../../src/features/posture/evidence-bounds.ts';
import { LiveOperator } from '../../../src/broker/state/operator-token-memory.ts';
import {
  evidenceScope,
  narrowGrants,
  ROLES,
  type Grant,
  type Role,
} from '../../../src/domain/identity/principal.ts';
import { isWorkloadId } from '../../../src/domain/identity/workload.ts';
import { OPERATOR_TOKENS } from '../../../src/ports/queries.ts';
import type { TestBroker } from './test-broker.ts';
import { CALLERS, runStep, type Step } from './team-steps.ts';
import { grantsOfCaller, type Pod, type TwoTeams } from './two-teams.ts';

/** Rights of which a caller needs one to make the read possible; `admin` includes each of them. */
const PROTECTED: readonly {
  readonly pod: Pod;
  readonly path?: string;
  readonly lifts: readonly { readonly role: Role; readonly at?: string }[];
}[] = [
  {
    pod: 'vulnerable',
    lifts: [{ role: 'policy-editor' }, { role: 'evidence-writer', at: 'registry.test/bank' }],
  },
  {
    pod: 'unscanned',
    lifts: [{ role: 'policy-editor' }, { role: 'evidence-writer', at: 'registry.test/bank' }],
  },
  { pod: 'unsigned', lifts: [{ role: 'policy-editor' }] },
  { pod: 'quarantined', lifts: [{ role: 'responder' }] },
  { pod: 'fit', path: 'kv/vault/key', lifts: [{ role: 'policy-editor', at: 'kv/vault' }] },
];

/** The protections that callers may not lower, and the rights that exist. */
interface Snapshot {
  readonly refused: ReadonlySet<string>;
  readonly kept: ReadonlyMap<string, string>;
  readonly rights: ReadonlyMap<string, readonly Grant[]>;
  /** Approved changes, with the two people of each. */
  readonly consents: ReadonlyMap<string, readonly [string, string | undefined]>;
}

const holds = (grants: readonly Grant[], role: Role, at?: string): boolean =>
  narrowGrants(grants, [{ role, scope: at === undefined ? [] : [at] }]).length > 0;

async function refusals(teams: TwoTeams, broker: TestBroker): Promise<ReadonlySet<string>> {
  const refused = new Set<string>();
  for (const { pod, path } of PROTECTED)
    if (!(await teams.reads(broker, pod, path))) refused.add(pod);
  // A responder may create a quarantine that ends by itself.
  const { quarantines } = broker.parts;
  const isLasting = quarantines
    .inForce()
    .some(({ subject, endsAt }) => subject === 'c1/bank-quarantined' && endsAt === undefined);
  if (!isLasting) refused.delete('quarantined');
  return refused;
}

/** Every right that exists by a document, by a token that another operator minted, or because the rule demands no approval. */
async function rightsOf({ parts }: TestBroker): Promise<ReadonlyMap<string, readonly Grant[]>> {
  const { catalog, approvals, store, tokens } = parts;
  const rights = new Map<string, readonly Grant[]>();
  for (const { kind, name, spec } of [...catalog.all('operator'), ...catalog.all('role-binding')])
    rights.set(`${kind} ${name}`, spec.grants);
  for (const { name, spec } of catalog.all('operator'))
    for (const row of await store.list(OPERATOR_TOKENS.ofOperator(name), { limit: 100 })) {
      const { id, spec: token } = tokens.open(row);
      if (![name, undefined].includes(token.mintedBy)) rights.set(`token ${id}`, spec.grants);
    }
  const free = ROLES.filter((role) => !approvals.rule.required.includes(role));
  rights.set(
    'rule',
    free.map((role) => ({ role, scope: [] })),
  );
  return rights;
}

async function snapshot(teams: TwoTeams, broker: TestBroker): Promise<Snapshot> {
  const { evidence, attestations, approvals } = broker.parts;
  const refused = await refusals(teams, broker);
  const kept = new Map([
    ...evidence.all().map(({ id, writer }) => [id, writer] as const),
    ...attestations.all().map(({ id, createdBy }) => [id, createdBy] as const),
  ]);
  const consents = approvals
    .inForce()
    .filter(({ what, state }) => state === 'approved' && 'change' in what)
    .map(({ id, requester, approvedBy }) => [id, [requester, approvedBy]] as const);
  return { refused, kept, rights: await rightsOf(broker), consents: new Map(consents) };
}

/** The rights of a caller, and those that it keeps when its elevations end. */
interface Held {
  readonly grants: readonly Grant[];
  readonly lasting: readonly Grant[];
}

/**
 * The first invariant: a caller lifts only what its rights before the step included, and removes only its own reports. Evidence, which stays, comes and goes
 * by lasting rights only.
 */
function lowered(before: Snapshot, after: Snapshot, by: string, held: Held): string[] {
  const may = (role: Role, at?: string): boolean =>
    holds(role === 'evidence-writer' ? held.lasting : held.grants, role, at);
  const lifted = PROTECTED.filter(
    ({ pod, lifts }) =>
      before.refused.has(pod) &&
      !after.refused.has(pod) &&
      !lifts.some(({ role, at }) => may(role, at)),
  ).map(({ pod }) => `${by} made the pod ${pod} fit`);
  const lost = [...before.kept].filter(([id, writer]) => {
    const role = id.startsWith('evi') ? 'evidence-writer' : 'responder';
    return after.kept.get(id) !== writer && writer !== by && !may(role);
  });
  const added = [...after.kept].filter(
    ([id, writer]) =>
      writer === by && !before.kept.has(id) && evidenceScope(held.lasting) === undefined,
  );
  return [
    ...lifted,
    ...lost.map(([id, writer]) => `${by} removed ${id} of ${writer}`),
    ...added.map(([id]) => `${by} added ${id} without a lasting right`),
  ];
}

/** The second invariant: rows of each writer and team stay within their documented bounds. */
function exceeded({ parts }: TestBroker): string[] {
  const found: string[] = [];
  const bound = (what: string, actual: number, most: number): void => {
    if (actual > most) found.push(`${what}: ${actual} of ${most}`);
  };
  const { evidence, attestations, approvals, quarantines } = parts;
  const digests = new Set(evidence.all().flatMap((each) => each.digests));
  for (const digest of digests) {
    const all = evidence.of(digest);
    for (const [writer, own] of Map.groupBy(all, (each) => each.writer)) {
      const scanners = new Set(own.map(({ scanner }) => scanner)).size;
      bound(`${writer} scanners`, scanners, MOST_OF_DIGEST.ofWriter.scanners);
      bound(`${writer} reports`, own.length, MOST_OF_DIGEST.ofWriter.rows);
    }
    for (const [scope, own] of Map.groupBy(all, (each) => each.scope.join()))
      bound(`scope ${scope}`, own.length, MOST_OF_DIGEST.ofScope.rows);
  }
  const strange = attestations.all().filter(({ isRecognized }) => !isRecognized);
  for (const [writer, own] of Map.groupBy(strange, (each) => each.createdBy)) {
    bound(`${writer} statements`, own.length, 100);
    for (const [digest, about] of Map.groupBy(own, (each) => each.digest))
      bound(`${writer} about ${digest}`, about.length, isWorkloadId(writer) ? 10 : 5);
  }
  for (const kind of ['change', 'elevation']) {
    const requests = approvals.all().filter(({ what }) => kind in what);
    for (const [requester, own] of Map.groupBy(requests, (each) => each.requester))
      bound(`${kind} of ${requester}`, own.length, 10);
  }
  bound(
    'quarantines',
    quarantines.inForce().filter(({ createdBy }) => createdBy === 'alerts/noisy').length,
    10,
  );
  return found;
}

/** The third invariant: a lasting right has two people, and an elevation has them, a reason and an end. */
async function unapproved(
  teams: TwoTeams,
  broker: TestBroker,
  before: Snapshot,
  { rights, consents }: Snapshot,
): Promise<string[]> {
  const { approvals, clock, catalog } = broker.parts;
  const spent = [...before.consents].filter(
    ([id, [requester, second]]) =>
      !consents.has(id) && second !== undefined && second !== requester,
  );
  const wider = [...rights].filter(([name, grants]) => {
    // Two people may have relaxed the rule before.
    if (before.rights.get('rule')?.length !== 0) return false;
    const old = before.rights.get(name) ?? [];
    return grants.some((grant) => narrowGrants(old, [grant]).length === 0);
  });
  const found = spent.length > 0 ? [] : wider.map(([name]) => `${name} gained rights alone`);
  const inForce = approvals.inForce();
  for (const { id, state, requester, approvedBy, what, endsAt } of inForce) {
    if (state !== 'approved') continue;
    if (approvedBy === undefined || approvedBy === requester) found.push(`${id} has one person`);
    if (endsAt > clock.now() + 24 * 3_600_000) found.push(`${id} has no end`);
    if ('elevation' in what && what.elevation.reason === '') found.push(`${id} has no reason`);
  }
  for (const kind of [
    'policy',
    'posture-profile',
    'response-rule',
    'definition',
    'operator',
  ] as const)
    for (const { name, elevation } of catalog.all(kind))
      if (elevation !== undefined && !inForce.some(({ id }) => id === elevation))
        found.push(`${kind} ${name} outlives ${elevation}`);
  for (const name of CALLERS) {
    const live = await teams.caller(broker, name);
    if (!(live instanceof LiveOperator)) continue;
    const lent = inForce.flatMap(({ state, tokenId, what }) =>
      state === 'approved' && tokenId === live.operator.tokenId && 'elevation' in what
        ? [what.elevation.grant]
        : [],
    );
    const given = [...(rights.get(`operator ${name}`) ?? []), ...lent];
    if (narrowGrants(given, live.operator.grants).length < live.operator.grants.length)
      found.push(`${name} has more rights than anybody gave it`);
  }
  return found;
}

/** Runs a step, and lists what it must not have done at either broker. The bank then works at the broker that did not run it. */
export async function faultsOf(
  teams: TwoTeams,
  step: Step,
  index: number,
): Promise<{ readonly result: string; readonly faults: readonly string[] }> {
  const acting = teams.brokers[step.at]!;
  const before = await snapshot(teams, acting);
  const caller = await teams.caller(acting, step.by);
  const grants = grantsOfCaller(acting, caller);
  const lasting = caller instanceof LiveOperator ? caller.own.grants : grants;
  const result = await runStep(teams, step);
  const faults: string[] = [];
  for (const broker of teams.brokers) {
    const after = await snapshot(teams, broker);
    faults.push(
      ...lowered(before, after, step.by, { grants, lasting }),
      ...exceeded(broker),
      ...(await unapproved(teams, broker, before, after)),
    );
  }
  // Others may speak about these images before the bank does.
  faults.push(...(await teams.failuresOfBank(teams.brokers[1 - step.at]!, 6 + (index % 4))));
  return { result, faults };
}
