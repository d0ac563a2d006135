import fc from 'fast-check';
import {
  approve,
  deny,
  requestElevation,
  requireApprovals,
  withdraw,
} from '../../../src/features/approvals/approvals.ts';
import { deleteAttestation } from '../../../src/features/attestations/attestations.ts';
import { deleteDocument } from '../../../src/broker/documents/apply-document.ts';
import { deleteEvidence } from '../../../src/features/posture/evidence.ts';
import { requestRotation } from '../../../src/rotation/request-rotation.ts';
import { readSecret } from '../../../src/broker/secrets/read-secrets.ts';
import { createOperatorToken } from '../../../src/broker/sessions/operator-tokens.ts';
import { createQuarantine, liftQuarantine } from '../../../src/broker/sessions/quarantines.ts';
import type { Call, Caller } from '../../../src/broker/access/call.ts';
import type { DocumentKind } from '../../../src/broker/model/kinds.ts';
import type { LiveOperator } from '../../../src/broker/state/operator-token-memory.ts';
import type { Parts } from '../../../src/features/feature.ts';
import { BrokerError } from '../../../src/domain/errors.ts';
import { holdsFor, ROLES } from '../../../src/domain/identity/principal.ts';
import { ImageSigner } from '../images/image-signer.ts';
import type { TestBroker } from './test-broker.ts';
import {
  accessPolicy,
  digestOf,
  evidenceBinding,
  OPERATORS,
  PODS,
  SCANNED,
  SHOP_PODS,
  type TwoTeams,
} from './two-teams.ts';

/** One action of one caller at one of the brokers. `pick` chooses its object, `more` its variant. */
export interface Step {
  readonly by: string;
  readonly act: string;
  readonly at: number;
  readonly pick: number;
  readonly more: number;
}

type Pick = <T>(list: readonly T[]) => T;

interface OperatorStep {
  readonly broker: TestBroker;
  readonly parts: Parts;
  readonly call: Call;
  readonly live: LiveOperator;
  readonly one: Pick;
  readonly more: number;
}

/** Roles for which callers ask. */
const WANTED = ['policy-editor', 'responder', 'evidence-writer', 'secret-editor', 'admin'] as const;
/** Images of the bank: those of its pods, and those that it signs. */
const IMAGES = [1, 1, 2, 2, 3, 6, 6, 7, 8, 9] as const;
const IF_ANY = { ifMatch: '*' } as const;
const stranger = new ImageSigner();

/** Actions that need the token of an operator. */
const OF_OPERATORS: Readonly<Record<string, (step: OperatorStep) => Promise<unknown>>> = {
  write: ({ broker, live, one, more }) => {
    const [kind, name, body] = one(documentsOf(live.operator.name, more));
    return broker.put(live, kind, name, body);
  },
  remove: ({ parts, call, live, one }) => {
    const [kind, name] = one(documentsOf('puppet', 0));
    return deleteDocument(parts, call, live, { kind, name, precondition: IF_ANY });
  },
  forget: ({ parts, call, live, one, more }) =>
    more % 2 === 0
      ? deleteEvidence(parts, call, live, one(parts.evidence.all()).id)
      : deleteAttestation(parts, call, live, { id: one(parts.attestations.all()).id }),
  lift: ({ parts, call, live, one }) => {
    const { id } = one(parts.quarantines.all());
    return liftQuarantine(parts, call, live, { id, reason: 'it is over' });
  },
  // A shorter quarantine of a pod that is in quarantine must not end that.
  quarantine: ({ parts, call, live, one }) => {
    const subject = one(['c1/shop-web-1', 'c1/bank-quarantined']);
    const scope = { kind: 'pod', subject } as const;
    return createQuarantine(parts, call, live, { scope, reason: 'INC-2', seconds: 1 });
  },
  elevate: ({ parts, call, live, one, more }) => {
    const role = one(WANTED);
    const scope = more % 2 === 0 || role === 'admin' ? [] : ['kv/shop'];
    const elevation = { grant: { role, scope }, seconds: 600, reason: 'INC-3' };
    return requestElevation(parts, call, live, elevation);
  },
  approve: ({ parts, call, live, one }) =>
    approve(parts, call, live, {
      id: one(newestFirst(parts)).id,
    }),
  deny: ({ parts, call, live, one }) =>
    deny(parts, call, live, { id: one(parts.approvals.inForce()).id }),
  withdraw: ({ parts, call, live, one }) =>
    withdraw(parts, call, live, { id: one(parts.approvals.inForce()).id }),
  mint: ({ parts, call, live, one }) => {
    const operator = one(['puppet', 'security', live.operator.name]);
    return createOperatorToken(parts, call, live, { operator, body: {} });
  },
  relax: ({ parts, call, live, one }) =>
    requireApprovals(parts, call, live, one([[], ['admin'], ROLES])),
  read: async ({ parts, call, live, one }) => {
    const path = one(['kv/bank/db', 'kv/vault/key', 'kv/shop/db']);
    await readSecret(parts, call, live, { path });
    if (!holdsFor(live.operator, 'secret-reader', path)) throw new Error(`read ${path}`);
  },
  rotate: ({ parts, call, live, one, more }) =>
    requestRotation(parts, call, live, {
      path: one(['kv/bank/db', 'kv/shop/db']),
      kind: 'rotation',
      incident: more % 2 === 0,
    }),
};

function newestFirst({ approvals }: Parts) {
  return approvals
    .inForce()
    .filter(({ state }) => state === 'pending')
    .toReversed();
}

/** Documents that callers write and remove: those of their own team, of the other one, and those for all teams. */
function documentsOf(
  self: string,
  more: number,
): readonly (readonly [DocumentKind, string, unknown])[] {
  const grants = [{ role: ROLES[more % ROLES.length] }];
  const action = more % 2 === 0 ? 'quarantine' : 'audit';
  return [
    ['policy', 'kv.shop', accessPolicy('kv.shop', 'shop', ['kv/shop/**'])],
    ['policy', 'kv.shop', accessPolicy('kv.shop', 'bank', ['kv/vault/**'])],
    [
      'policy',
      'kv.shop.wide',
      accessPolicy('kv.shop.wide', '*', [more % 2 === 0 ? 'kv/**' : 'kv/vault/key']),
    ],
    ['definition', 'kv/shop/db', { maxLeaseTtl: `${1 + more}h` }],
    ['definition', 'kv/bank/db', { maxLeaseTtl: `${1 + more}h` }],
    ['posture-profile', 'scanned', { ...SCANNED, mode: more % 8 === 1 ? 'warn' : 'enforce' }],
    ['response-rule', 'cut-off', { order: 1, match: {}, action, scope: 'pod' }],
    ['operator', 'puppet', { grants }],
    ['operator', self, { grants }],
    [
      'role-binding',
      'shop-ci',
      evidenceBinding('shop', more % 2 === 0 ? [] : ['registry.test/shop']),
    ],
  ];
}

/** Actions of each caller that its role allows now and then; any caller also tries any action. */
const LIKELY: Readonly<Record<string, readonly string[]>> = {
  ann: [
    'approve',
    'approve',
    'approve',
    'write',
    'write',
    'deny',
    'mint',
    'relax',
    'remove',
    'push',
  ],
  bob: ['approve', 'approve', 'approve', 'write', 'write', 'deny', 'mint', 'relax', 'lift'],
  policies: ['write', 'write', 'remove', 'elevate', 'withdraw'],
  'shop-policies': ['write', 'write', 'remove', 'elevate', 'withdraw'],
  secrets: ['write', 'elevate'],
  'shop-secrets': ['write', 'elevate', 'withdraw'],
  'shop-reader': ['read', 'elevate'],
  'shop-rotator': ['rotate', 'elevate'],
  scanner: ['push', 'sign', 'forget'],
  'shop-scanner': ['push', 'push', 'sign', 'sign', 'forget', 'elevate'],
  responder: ['lift', 'quarantine', 'forget', 'elevate'],
  'shop-responder': ['lift', 'quarantine', 'forget', 'elevate'],
  auditor: ['elevate', 'push'],
  pipeline: ['push', 'push', 'sign', 'sign'],
  workload: ['push', 'sign'],
  namespace: ['write'],
  source: ['alert'],
  time: ['wait', 'restart'],
};
export const CALLERS = Object.keys(LIKELY);
/** Lengths of time: a moment, longer than an elevation, longer than a session. */
const WAITS = [1_000, 700_000, 3_700_000] as const;

const numbers = { at: fc.nat(1), pick: fc.nat(59), more: fc.nat(59) };
const actsOf = (by: string): readonly string[] => LIKELY[by]!;
const likely = fc
  .record({ by: fc.constantFrom(...CALLERS), which: fc.nat(59), ...numbers })
  .map(({ which, ...step }) => ({
    ...step,
    act: actsOf(step.by)[which % actsOf(step.by).length]!,
  }));
const any = fc.record({
  by: fc.constantFrom(...Object.keys(OPERATORS)),
  act: fc.constantFrom(...Object.keys(OF_OPERATORS)),
  ...numbers,
});
/** An operator uses more rights, which another one approved, until they end. */
const elevated = fc
  .record({
    by: fc.constantFrom('shop-policies', 'shop-responder', 'auditor'),
    uses: fc.array(fc.constantFrom('write', 'write', 'lift', 'forget', 'push'), { maxLength: 4 }),
    ...numbers,
  })
  .map(({ by, uses, at, pick, more }): readonly Step[] => [
    { by, act: 'elevate', at, pick, more: 0 },
    { by: 'ann', act: 'approve', at: 1 - at, pick: 0, more },
    ...uses.map((act, n) => ({ by, act, at: (at + n) % 2, pick: pick + n, more: more + n })),
    { by: 'time', act: 'wait', at, pick, more: 1 },
  ]);
/** An admin gives a right with the approval of another one. */
const agreed = fc.record(numbers).map(({ at, pick, more }): readonly Step[] => {
  const write = { by: 'ann', act: 'write', at, pick: 7 + (pick % 3), more };
  return [write, { by: 'bob', act: 'approve', at: 1 - at, pick: 0, more }, write];
});

/** Single steps, and now and then several that belong together. */
export const anyHistory = fc
  .array(
    fc.oneof(
      { weight: 10, arbitrary: likely.map((step): readonly Step[] => [step]) },
      { weight: 3, arbitrary: any.map((step): readonly Step[] => [step]) },
      { weight: 1, arbitrary: elevated },
      { weight: 1, arbitrary: agreed },
    ),
    { minLength: 1, maxLength: 30, size: 'max' },
  )
  .map((parts) => parts.flat());

/** Runs a step. @returns `ok`, or the code of its refusal */
export async function runStep(teams: TwoTeams, step: Step): Promise<string> {
  // Each report has a time of its own.
  teams.brokers[0]!.clock.advance(1_000);
  const result = await act(teams, step).then(
    () => 'ok',
    (error: unknown) => {
      const { code } = BrokerError.from(error);
      if (code === 'ERR_INTERNAL') throw error;
      return code;
    },
  );
  await teams.settle();
  return result;
}

async function act(teams: TwoTeams, step: Step): Promise<unknown> {
  const broker = teams.brokers[step.at]!;
  const { by, pick, more } = step;
  if (step.act === 'restart') return teams.restart();
  if (step.act === 'wait') return teams.wait(broker, WAITS[more % WAITS.length]!);
  if (by === 'source') {
    const pods = Object.keys(PODS);
    const ofBank = more % 4 === 0;
    return teams.alert(
      broker,
      'noisy',
      ofBank ? `bank-${pods[pick % pods.length]}` : `shop-web-${pick % SHOP_PODS}`,
    );
  }
  if (by === 'namespace') {
    const namespace = ['shop', 'bank', '*'][more % 3]!;
    return teams.applyObject(broker, {
      namespace,
      path: ['kv/shop/**', 'kv/vault/key', 'kv/**'][pick % 3]!,
    });
  }
  const caller = await teams.caller(broker, by);
  if (caller === undefined) throw new BrokerError('ERR_UNAUTHENTICATED');
  if (step.act === 'push') return pushSome(teams, broker, caller, step);
  if (step.act === 'sign') return signSome(teams, broker, caller, step);
  const one: Pick = (list) => {
    const found = list[pick % Math.max(1, list.length)];
    if (found === undefined) throw new BrokerError('ERR_NOT_FOUND');
    return found;
  };
  const { parts } = broker;
  return OF_OPERATORS[step.act]!({
    broker,
    parts,
    call: broker.call(),
    live: caller as LiveOperator,
    one,
    more,
  });
}

/** One report, or reports of a dozen scanners, or a VEX document, about any image. */
async function pushSome(
  teams: TwoTeams,
  broker: TestBroker,
  by: Caller,
  step: Step,
): Promise<void> {
  const { pick, more } = step;
  // Those who may clear the bank's pods leave them alone, so that the others find them refused.
  const isTrusted = step.by === 'scanner' || step.by === 'ann';
  const image = isTrusted ? 6 + (pick % 4) : IMAGES[pick % IMAGES.length]!;
  if (more % 5 === 0) return teams.excuse(broker, by, image);
  const scanners =
    more % 5 === 1 ? Array.from({ length: 12 }, (_, at) => `scanner-${at}`) : ['trivy'];
  const severity = more % 3 === 0 ? 'critical' : undefined;
  for (const scanner of scanners) await teams.push(broker, by, { image, scanner, severity });
}

/** A stranger's signature, many of its statements, or altered copies of the bank's signature. */
async function signSome(
  teams: TwoTeams,
  broker: TestBroker,
  by: Caller,
  { pick, more }: Step,
): Promise<void> {
  const image = IMAGES[pick % IMAGES.length]!;
  const digest = digestOf(image);
  const several = Array.from({ length: 12 }, (_, at) => at);
  const known = teams.knownSignature(image);
  const choices: readonly (readonly object[])[] = [
    [stranger.legacy(digest, 'registry.test/bank/web')],
    several.map((at) => stranger.bundle(digest, 'https://example.test/p', { at, more })),
    known === undefined ? [] : several.map((at) => ({ ...known, note: `${at} ${more}` })),
  ];
  for (const each of choices[more % 3]!) await teams.sign(broker, by, each);
}
