import { BrokerError } from '../../domain/errors.ts';
import type { KeyChallenge, Person, SecondFactor } from '../../domain/identity/person.ts';
import { holdsEverywhere } from '../../domain/identity/principal.ts';
import { sha256 } from '../../crypto/hashes/digest.ts';
import { randomBytes } from '../../crypto/random/random.ts';
import type {
  AnsweredKey,
  Challenge,
  KeyAssertion,
  KeyRegistration,
  SecurityKeyVerifier,
} from '../../ports/people.ts';
import { OPERATOR_TOKENS } from '../../ports/queries.ts';
import type { Expectation, Plan, Write } from '../../ports/store.ts';
import type { Tables } from '../../ports/tables.ts';
import type { Call } from '../access/call.ts';
import type { Access, Keys, People, Recording } from '../state/dependencies.ts';
import { recordFailure, recordOperation, requireRole } from '../recording/operation.ts';
import { commitAs, entryOf, type Attempt } from '../recording/record.ts';
import type { Described } from '../recording/refusals.ts';
import type { AuthenticatedRows } from '../kernel/row-macs.ts';
import type { LiveOperator, OperatorToken } from '../state/operator-token-memory.ts';
import {
  findKey,
  keyIdOf,
  listSecurityKeys,
  authenticateKey,
  type SecurityKey,
} from '../state/security-key-rows.ts';
import { provesKeys, requireProof, requireRecentLogin } from '../access/step-up.ts';

const MOST_KEYS = 10;
const MOST_SESSIONS = 1_000;
/** A person has this long to use the key. */
const CHALLENGE_MS = 300_000;
const CHALLENGE_BYTES = 32;

type KeyParts = Recording & Access & People & AuthenticatedRows & Pick<Keys, 'installation'>;

/** Challenge that the broker's page passes to the browser. */
export interface BegunKey extends KeyChallenge {
  /** Address of the page. */
  readonly address: string;
  readonly rpId: string;
  readonly person: string;
  /** The user handle: a digest in base64url, because a key shows it to every holder. */
  readonly userId: string;
  readonly algorithms: readonly number[];
  /** Credential ids of the person's keys. */
  readonly credentials: readonly string[];
}

/**
 * Begins the registration or the proof of a security key. A session has one challenge, and a new one replaces it. It is not recorded, because it
 * grants nothing.
 * @throws ERR_STEP_UP_REQUIRED, ERR_CONFLICT; ERR_DENIED to a caller whose second factor is not a security key
 */
export async function beginKey(
  parts: KeyParts,
  call: Call,
  live: LiveOperator,
  { purpose, label }: Pick<KeyChallenge, 'purpose' | 'label'>,
): Promise<BegunKey> {
  return commitAs(parts, live, async (decidedAt, now): Promise<Attempt<BegunKey>> => {
    const { person, verifier } = keyUser(parts, now);
    const keys = await ownKeys(parts, now, person);
    if (purpose === 'register') requireMayRegister(parts, person, keys);
    else if (keys.length === 0) {
      throw conflict('no security key is registered: quaymaster second-factor add');
    }
    const row = await sessionRow(parts, now);
    const challenge = randomBytes(CHALLENGE_BYTES).toString('base64url');
    const until = parts.clock.now() + CHALLENGE_MS;
    const keyChallenge: KeyChallenge = { purpose, challenge, until, label };
    return {
      plan: {
        decidedAt,
        reads: now.fences,
        notAfter: now.operator.endsAt,
        ...changed(parts, [[row, (stored) => ({ ...stored.spec, keyChallenge })]]),
      },
      settle: () => ({
        ...keyChallenge,
        address: `${verifier.origin}/second-factor`,
        rpId: verifier.rpId,
        person: now.operator.name,
        userId: userIdOf(parts, person),
        algorithms: verifier.algorithms,
        credentials: keys.map(({ credentialId }) => credentialId),
      }),
    };
  }).catch((error: unknown) =>
    recordFailure({ parts, call, caller: live }, [describe(purpose, live.operator.name)], error),
  );
}

/** The first key needs a recent login, every further one a recent proof of one of them: a stolen session adds no key. */
function requireMayRegister(parts: KeyParts, person: Person, keys: readonly SecurityKey[]): void {
  if (keys.length === 0) requireRecentLogin(parts, person, []);
  else requireProof(parts, person);
  if (keys.length >= MOST_KEYS) {
    throw conflict(`${keys.length} security keys are registered, which is the most; remove one`);
  }
}

/**
 * Checks the answer to the challenge of this session, and registers the key or records the proof in the session. A challenge succeeds once.
 * @throws ERR_DENIED, the same for every problem of the answer
 */
export async function finishKey(
  parts: KeyParts,
  call: Call,
  live: LiveOperator,
  answer: KeyRegistration | KeyAssertion,
): Promise<SecurityKey> {
  const purpose = 'attestationObject' in answer ? 'register' : 'prove';
  const described = describe(purpose, live.operator.name);
  try {
    const { person, verifier } = keyUser(parts, live);
    const session = await sessionRow(parts, live);
    const opened = openChallenge(parts, session, purpose);
    const { name } = live.operator;
    const challenge = { text: opened.challenge, person: name, signal: call.context().signal };
    const answered = await check(parts, { live, person, verifier }, answer, challenge);
    return await commitAs(parts, live, async (decidedAt, now): Promise<Attempt<SecurityKey>> => {
      const row = await sessionRow(parts, now);
      // Another answer to the same challenge succeeded, or a new challenge replaced it.
      if (row.body !== session.body) throw refused('challenge');
      const [key, expected] =
        purpose === 'register'
          ? await verifyNewKey(parts, { now, person, answered, label: opened.label ?? '' })
          : await verifyLoginAnswer(parts, { now, person, answered });
      const proof = { key: key.id, at: parts.clock.now() };
      const ended = changed(parts, [
        [row, ({ spec }) => ({ ...spec, keyChallenge: undefined, person: { ...person, proof } })],
      ]);
      const named = { ...described, query: `key=${key.id}` };
      return {
        plan: joined(ended, {
          decidedAt,
          reads: [...now.fences, peopleFence(now.operator.name)],
          notAfter: now.operator.endsAt,
          expect: [expected],
          writes: [{ table: 'security_keys', put: authenticateKey(parts, key) }],
          invalidates: purpose === 'register' ? [peopleFence(now.operator.name)] : [],
          entries: [entryOf(parts, call, now, { ...named, outcome: 'ok' })],
        }),
        settle: () => key,
      };
    });
  } catch (error) {
    return recordFailure({ parts, call, caller: live }, [described], error);
  }
}

interface Checked {
  readonly now: LiveOperator;
  readonly person: Person;
  readonly answered: AnsweredKey;
}

/** Key as it will be stored, and the expectation of its row until then. */
type NewState = readonly [SecurityKey, Expectation];

async function verifyNewKey(
  parts: KeyParts,
  { now, person, answered, label }: Checked & { readonly label: string },
): Promise<NewState> {
  const id = keyIdOf(answered.credentialId);
  requireMayRegister(parts, person, await ownKeys(parts, now, person));
  if ((await parts.store.get('security_keys', { id })) !== undefined) throw refused('registered');
  const createdAt = parts.clock.now();
  const { issuerUrl } = person;
  return [
    { id, person: now.operator.name, issuerUrl, label, ...answered, createdAt },
    { table: 'security_keys', key: { id }, absent: true },
  ];
}

async function verifyLoginAnswer(
  parts: KeyParts,
  { now, person, answered }: Checked,
): Promise<NewState> {
  const key = await ownKey(parts, { live: now, person }, answered.credentialId);
  const { counter } = answered;
  // WebAuthn §7.2 step 22: a counter that does not grow means that the key was cloned. Keys that do not count always send 0.
  if ((counter > 0 || key.counter > 0) && counter <= key.counter) throw refused('counter');
  return [
    { ...key, counter, usedAt: parts.clock.now() },
    { table: 'security_keys', key: { id: key.id }, match: { counter: key.counter } },
  ];
}

interface KeyUser {
  readonly live: LiveOperator;
  readonly person: Person;
}

async function check(
  parts: KeyParts,
  { live, person, verifier }: KeyUser & { readonly verifier: SecurityKeyVerifier },
  answer: KeyRegistration | KeyAssertion,
  challenge: Challenge,
): Promise<AnsweredKey> {
  if ('attestationObject' in answer) return verifier.verifyRegistration(answer, challenge);
  const { publicKey } = await ownKey(parts, { live, person }, answer.id);
  return verifier.verifyAssertion(answer, challenge, publicKey);
}

export interface ListedKeys {
  readonly keys: readonly SecurityKey[];
  /** Second factor of the caller; undefined if it is not a person. */
  readonly secondFactor: SecondFactor | undefined;
  readonly provenAt: number | undefined;
}

/** The keys of the caller, or of another person. @throws ERR_DENIED */
export async function listKeys(
  parts: KeyParts,
  call: Call,
  live: LiveOperator,
  name = live.operator.name,
): Promise<ListedKeys> {
  const document = { kind: 'operator', name };
  return recordOperation(
    { parts, call, caller: live },
    { action: 'security-key.list', document },
    async (now) => {
      if (name !== now.operator.name) requireRole(now, 'admin');
      const { person } = now;
      const factor = person && parts.people.issuers.get(person.issuer)?.secondFactor;
      const keys = await listSecurityKeys(parts, name);
      return { keys, secondFactor: factor, provenAt: person?.proof?.at };
    },
  );
}

/**
 * Removes a key of the caller or, if the caller is an admin, of another person. Sessions in which it was proven lose the proof.
 * @throws ERR_NOT_FOUND, also for the key of another person; ERR_BODY_INVALID for an admin without a reason
 */
export async function removeKey(
  parts: KeyParts,
  call: Call,
  live: LiveOperator,
  { id, reason }: { readonly id: string; readonly reason: string | undefined },
): Promise<void> {
  const described = {
    action: 'security-key.remove',
    query: `key=${id}`,
    ...(reason !== undefined && { comment: reason }),
  } as const;
  await commitAs(parts, live, async (decidedAt, now): Promise<Attempt<undefined>> => {
    const key = await findKey(parts, id);
    const isOwn = key?.person === now.operator.name;
    // An elevation does not decide about the keys of people.
    if (key === undefined || (!isOwn && !holdsEverywhere(now.own, 'admin'))) {
      throw new BrokerError('ERR_NOT_FOUND');
    }
    if (!isOwn && reason === undefined) throw withoutReason();
    const document = { kind: 'operator', name: key.person };
    const sessions = await parts.store.list(OPERATOR_TOKENS.ofOperator(key.person), {
      limit: MOST_SESSIONS,
    });
    const lost = sessions.filter((row) => parts.tokens.open(row).spec.person?.proof?.key === id);
    return {
      plan: joined(
        changed(
          parts,
          lost.map((row) => [row, withoutProof]),
        ),
        {
          decidedAt,
          reads: [...now.fences, peopleFence(key.person)],
          notAfter: now.operator.endsAt,
          urgent: true,
          expect: [{ table: 'security_keys', key: { id }, match: { id } }],
          writes: [{ table: 'security_keys', remove: { id } }],
          invalidates: [peopleFence(key.person)],
          entries: [entryOf(parts, call, now, { ...described, document, outcome: 'ok' })],
        },
      ),
      settle: () => undefined,
    };
  }).catch((error: unknown) => recordFailure({ parts, call, caller: live }, [described], error));
}

function withoutProof({ spec }: OperatorToken): OperatorToken['spec'] {
  const { person } = spec;
  return person === undefined ? spec : { ...spec, person: { ...person, proof: undefined } };
}

type SessionRow = Tables['operator_tokens'];
type Change = readonly [SessionRow, (stored: OperatorToken) => OperatorToken['spec']];
interface Changed {
  readonly expect: readonly Expectation[];
  readonly writes: readonly Write[];
  readonly invalidates: readonly string[];
}

/** Replaces the bodies of sessions. */
function changed({ tokens }: Pick<Access, 'tokens'>, changes: readonly Change[]): Changed {
  return {
    expect: changes.map(([{ id, body, ends_at }]) => ({
      table: 'operator_tokens',
      key: { id },
      match: { body, ends_at },
    })),
    writes: changes.map(([row, specOf]) => {
      const stored = tokens.open(row);
      return {
        table: 'operator_tokens',
        put: tokens.rowOf({ ...stored, spec: specOf(stored) }, row.hash),
      };
    }),
    invalidates: changes.map(([{ id }]) => `token:${id}`),
  };
}

function joined({ expect, writes, invalidates }: Changed, plan: Plan): Plan {
  return {
    ...plan,
    expect: [...(plan.expect ?? []), ...expect],
    writes: [...(plan.writes ?? []), ...writes],
    invalidates: [...(plan.invalidates ?? []), ...invalidates],
  };
}

/** @throws ERR_DENIED to an operator token, and to a person whose issuer proves the second factor */
function keyUser(
  parts: KeyParts,
  { person }: LiveOperator,
): { readonly person: Person; readonly verifier: SecurityKeyVerifier } {
  const { securityKeys: verifier } = parts.people;
  if (person === undefined || verifier === undefined || !provesKeys(parts, person)) {
    const detail =
      'only people have security keys, and only at an issuer with "secondFactor: webauthn" in the configuration';
    throw new BrokerError('ERR_DENIED', detail, { reason: 'no_person', isDetailShown: true });
  }
  return { person, verifier };
}

/** Keys that were registered at the issuer of this name before it got another address do not count. */
async function ownKeys(
  parts: KeyParts,
  { operator }: LiveOperator,
  { issuerUrl }: Person,
): Promise<readonly SecurityKey[]> {
  const keys = await listSecurityKeys(parts, operator.name);
  return keys.filter((key) => key.issuerUrl === issuerUrl);
}

/** @throws ERR_DENIED */
async function ownKey(
  parts: KeyParts,
  { live, person }: KeyUser,
  credentialId: string,
): Promise<SecurityKey> {
  const key = await findKey(parts, keyIdOf(credentialId));
  const isOwn = key?.person === live.operator.name && key.issuerUrl === person.issuerUrl;
  if (!isOwn) throw refused('unknown_key');
  return key;
}

/** The stored row of the caller's session. @throws ERR_UNAUTHENTICATED */
async function sessionRow(parts: KeyParts, { operator }: LiveOperator): Promise<SessionRow> {
  const row = await parts.store.get('operator_tokens', { id: operator.tokenId });
  if (row === undefined) throw new BrokerError('ERR_UNAUTHENTICATED');
  return row;
}

/** @throws ERR_DENIED */
function openChallenge(
  parts: KeyParts,
  session: SessionRow,
  purpose: KeyChallenge['purpose'],
): KeyChallenge {
  const { keyChallenge } = parts.tokens.open(session).spec;
  if (keyChallenge?.purpose !== purpose) throw refused('challenge');
  if (keyChallenge.until <= parts.clock.now()) throw refused('challenge_expired');
  return keyChallenge;
}

function userIdOf({ installation }: KeyParts, { issuerUrl, subject }: Person): string {
  return sha256(JSON.stringify([installation, issuerUrl, subject])).toString('base64url');
}

/** Fence key that changes with the keys of a person, so that two requests do not register more than a person may have. */
function peopleFence(name: string): string {
  return `person:${name}`;
}

function describe(purpose: KeyChallenge['purpose'], name: string): Described {
  return { action: `security-key.${purpose}`, document: { kind: 'operator', name } };
}

function refused(reason: string): BrokerError {
  const detail = 'the answer of the security key is not valid; begin again';
  return new BrokerError('ERR_DENIED', detail, { reason, isDetailShown: true });
}

function conflict(detail: string): BrokerError {
  return new BrokerError('ERR_CONFLICT', detail, { reason: 'security_keys' });
}

function withoutReason(): BrokerError {
  const message = 'is needed to remove the key of another person';
  return new BrokerError('ERR_BODY_INVALID', undefined, {
    reason: 'reason',
    problems: [{ pointer: '/reason', message }],
  });
}
