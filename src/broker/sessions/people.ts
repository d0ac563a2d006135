import { statedNow } from '../../ports/clock.ts';
import { BrokerError } from '../../domain/errors.ts';
import { Quarantined, scopeFence } from '../../domain/identity/quarantine.ts';
import type { Person } from '../../domain/identity/person.ts';
import { grantsOf } from '../../domain/policy/role-binding.ts';
import type { SenderKey } from '../../domain/identity/sender-key.ts';
import { identitySegment } from '../../domain/identity/workload.ts';
import type {
  AttestedPerson,
  CodeFlow,
  DeviceFlow,
  IssuerCall,
  LogInDemand,
  PeopleIssuer,
} from '../../ports/people.ts';
import { OPERATOR_TOKENS } from '../../ports/queries.ts';
import type { Tables } from '../../ports/tables.ts';
import { randomId } from '../../crypto/random/random.ts';
import { newToken } from '../../crypto/random/token.ts';
import { sha256Hex } from '../../crypto/hashes/digest.ts';
import type { Call } from '../access/call.ts';
import { decodeCursor, encodeCursor } from '../state/cursor.ts';
import type { Access, Keys, People, Recording } from '../state/dependencies.ts';
import { recordFailure, requireRole } from '../recording/operation.ts';
import {
  commitAs,
  commitDecided,
  entryOf,
  isUnrecordable,
  type Attempt,
} from '../recording/record.ts';
import { recordRefusal } from '../recording/refusals.ts';
import type { LiveOperator, OperatorToken } from '../state/operator-token-memory.ts';
import { admitPoll, freed, slowDown, takePlace } from './device-logins.ts';
import { checkLogInProof } from '../access/check-proof.ts';
import type { ShownProof } from '../access/shown-proof.ts';
import { provesKeys } from '../access/step-up.ts';

/** A person has this long to log in at the issuer. */
const FLOW_MS = 600_000;
const LOGINS = 'logins';
const MOST_SESSIONS = 20;
const MOST_LISTED = 1_000;

/**
 * State of a login that the client returns with the answer of the issuer. It is encrypted, so the broker stores nothing for
 * callers that it does not know.
 */
interface Begun {
  readonly issuer: string;
  readonly url: string;
  readonly until: number;
  readonly code?: CodeFlow;
  readonly device?: {
    readonly code: string;
    /** The interval of the issuer between polls. */
    readonly intervalSeconds: number;
    /** The place of the login in the store. */
    readonly place: string;
  };
  /** Age that the login may have, if it repeats one for a dangerous operation. */
  readonly maxAgeSeconds?: number | undefined;
  /** Thumbprint of the key that the session will be bound to. A copy of this text is therefore useless without the key. */
  readonly keyThumbprint?: string | undefined;
  /** SHA-256 of the nonce of a client whose only memory of the login is `state`. */
  readonly clientNonce?: string | undefined;
}

export interface BegunLogin {
  readonly login: string;
  readonly until: number;
  /** Address for the browser on this machine. */
  readonly address?: string;
  /** Code and address for a browser on another machine. */
  readonly device?: {
    readonly userCode: string;
    readonly verificationUri: string;
    readonly intervalSeconds: number;
  };
}

export interface LoginRequest {
  readonly issuer: string;
  /** URI to which the issuer redirects; absent: the device flow. */
  readonly redirectUri?: string | undefined;
  /** True if the login must satisfy dangerous operations. */
  readonly isStepUp: boolean;
  /** Thumbprint of the key that the session shall be bound to (RFC 9449 §10, `dpop_jkt`). */
  readonly keyThumbprint?: string | undefined;
  /** Nonce of a client that returns only the `state` of the redirect: the address has the whole login as its `state`. */
  readonly clientNonce?: string | undefined;
}

type PeopleParts = Recording & Access & People & Pick<Keys, 'keyring'>;

/** Begins a login at an issuer. It is not recorded, because it grants nothing. @throws ERR_NOT_FOUND, ERR_IDENTITY_UNAVAILABLE */
export async function beginLogin(
  parts: PeopleParts,
  call: Call,
  { issuer: name, redirectUri, isStepUp, keyThumbprint, clientNonce: nonce }: LoginRequest,
): Promise<BegunLogin> {
  const issuer = issuerOf(parts, name);
  const demand = isStepUp ? demandOf(parts, name) : {};
  const until = parts.clock.now() + FLOW_MS;
  const asked = askedBy(call);
  const { maxAgeSeconds } = demand;
  const clientNonce = nonce && sha256Hex(nonce);
  const begun = { issuer: name, url: issuer.url, until, maxAgeSeconds, keyThumbprint, clientNonce };
  if (redirectUri !== undefined) {
    const { flow, address } = await issuer.beginCode(redirectUri, demand, asked);
    const login = encodeCursor(parts, LOGINS, { ...begun, code: flow });
    const shown = clientNonce === undefined ? address : withState(address, login);
    return { login, until, address: shown };
  }
  requireDeviceLogin(name, issuer);
  const { place, flow } = await beginDevice(parts, { issuer, name, until }, demand, asked);
  const { deviceCode: code, expiresInSeconds, ...device } = flow;
  const { intervalSeconds } = device;
  const ends = Math.min(until, parts.clock.now() + expiresInSeconds * 1000);
  const login = encodeCursor(parts, LOGINS, {
    ...begun,
    until: ends,
    device: { code, intervalSeconds, place },
  });
  return { login, until: ends, device };
}

interface Beginning {
  readonly issuer: PeopleIssuer;
  readonly name: string;
  readonly until: number;
}

async function beginDevice(
  parts: PeopleParts,
  { issuer, name, until }: Beginning,
  demand: LogInDemand,
  asked: IssuerCall,
): Promise<{ readonly place: string; readonly flow: DeviceFlow }> {
  let place = '';
  try {
    const flow = await issuer.beginDevice(demand, asked, async () => {
      place = await takePlace(parts, { issuer: name, network: asked.network, until });
    });
    return { place, flow };
  } catch (error) {
    if (place !== '') await parts.store.commit(freed(place));
    throw error;
  }
}

function withState(address: string, state: string): string {
  const url = new URL(address);
  url.searchParams.set('state', state);
  return url.href;
}

/** An issuer that proves no second factor is not asked for a context. */
function demandOf(parts: People, issuer: string): LogInDemand {
  const { maxAgeSeconds, acr } = parts.people.stepUp;
  return provesKeys(parts, { issuer }) ? { maxAgeSeconds } : { maxAgeSeconds, acr };
}

export interface LoginAnswer {
  readonly login: string;
  /** The query of the redirect; absent in the device flow. */
  readonly answer?: string | undefined;
  /** A proof of the key that the session shall be bound to. */
  readonly proof?: ShownProof | undefined;
  readonly clientNonce?: string | undefined;
}

export interface FinishedLogin {
  /** `qmo_…`: returned once, stored only as a keyed hash. */
  readonly token: string;
  readonly stored: OperatorToken;
}

/**
 * Opens a session for the person whom the issuer's answer proves. Undefined while the person has not confirmed on the other device. The tokens
 * of the issuer are not kept.
 * @throws ERR_TOKEN_INVALID, the same for every problem of the answer; ERR_DENIED to a person without a role, or in quarantine;
 * ERR_RATE_LIMITED; ERR_IDENTITY_UNAVAILABLE
 */
export async function finishLogin(
  parts: PeopleParts,
  call: Call,
  { login, answer: given, proof, clientNonce }: LoginAnswer,
): Promise<FinishedLogin | undefined> {
  let name: string | undefined;
  try {
    const begun = openLogin(parts, login);
    const issuer = issuerOf(parts, begun.issuer);
    if (issuer.url !== begun.url) throw refused('issuer_changed');
    const senderKey = boundKey(parts, begun, proof);
    const answer = answerOf(begun, given, clientNonce);
    const attested = await attest(parts, issuer, begun, { answer, asked: askedBy(call) });
    if (attested === undefined) return undefined;
    requireFresh(parts, begun, attested);
    name = nameOf(begun.issuer, attested.subject);
    return await commitDecided(parts, open(parts, call, begun, { name, attested, senderKey }));
  } catch (error) {
    const failure = BrokerError.from(error);
    if (!isUnrecordable(failure)) {
      const described = {
        action: 'operator-token.create',
        ...(name !== undefined && { document: { kind: 'operator', name } }),
      } as const;
      await recordRefusal(parts, { call, caller: undefined }, described, failure);
    }
    throw failure;
  }
}

/**
 * The query of the redirect as the issuer sent it. A client with a nonce returns the login as `state`, and not the `iss` of RFC 9207. The code goes to the
 * issuer that the encrypted login names.
 */
function answerOf(
  { clientNonce: expected, code, url }: Begun,
  answer: string | undefined,
  nonce: string | undefined,
): string | undefined {
  if (expected !== (nonce && sha256Hex(nonce))) throw refused('client_nonce');
  if (expected === undefined || code === undefined || answer === undefined) return answer;
  const query = new URLSearchParams(answer);
  query.set('state', code.state);
  query.set('iss', url);
  return query.toString();
}

async function attest(
  parts: PeopleParts,
  issuer: PeopleIssuer,
  { issuer: name, code, device }: Begun,
  { answer, asked }: { readonly answer: string | undefined; readonly asked: IssuerCall },
): Promise<AttestedPerson | undefined> {
  if (code !== undefined && answer !== undefined) return issuer.finishCode(code, answer, asked);
  if (device?.place === undefined || answer !== undefined) throw refused('login_form');
  requireDeviceLogin(name, issuer);
  return attestDevice(parts, issuer, device, asked);
}

async function attestDevice(
  parts: PeopleParts,
  issuer: PeopleIssuer,
  { code, intervalSeconds, place }: NonNullable<Begun['device']>,
  asked: IssuerCall,
): Promise<AttestedPerson | undefined> {
  if (!(await admitPoll(parts, place, intervalSeconds))) return undefined;
  try {
    const answer = await issuer.finishDevice(code, asked);
    if (typeof answer === 'object') return answer;
    if (answer === 'slow_down') await slowDown(parts, place);
    return undefined;
  } catch (error) {
    // The issuer answers a refused code no more.
    if (BrokerError.from(error).code === 'ERR_TOKEN_INVALID')
      await parts.store.commit(freed(place));
    throw error;
  }
}

function askedBy(call: Call): IssuerCall {
  return { signal: call.context().signal, network: call.network };
}

/** @throws ERR_REQUEST_INVALID */
function requireDeviceLogin(name: string, { allowsDeviceLogin }: PeopleIssuer): void {
  if (allowsDeviceLogin) return;
  const detail = `the issuer "${name}" allows no login on another device: log in with a browser on this machine, or set people.issuers.${name}.deviceLogin in the configuration of the broker`;
  throw new BrokerError('ERR_REQUEST_INVALID', detail, { reason: 'device_login' });
}

/** The library checks `auth_time` in the code flow; here it is checked for both. */
function requireFresh(parts: PeopleParts, begun: Begun, { authTime }: AttestedPerson): void {
  const { maxAgeSeconds } = begun;
  if (maxAgeSeconds === undefined) return;
  const oldest = statedNow(parts.clock) / 1000 - maxAgeSeconds - SKEW_SECONDS;
  if (authTime === undefined || authTime < oldest) throw refused('auth_time');
}

const SKEW_SECONDS = 30;

/** A login is finished once, also if the issuer answers its code more than once. */
function finishing({ code, device, until }: Begun): Tables['finished_logins'] {
  const id = sha256Hex(code?.nonce ?? device?.code ?? '');
  // Replicas of one store whose clocks differ accept the text a little longer.
  return { id, ends_at: until + FLOW_MS };
}

/** The key that the session is bound to, which the client named when it began. @throws ERR_TOKEN_INVALID */
function boundKey(
  parts: PeopleParts,
  { keyThumbprint }: Begun,
  proof: ShownProof | undefined,
): SenderKey | undefined {
  const key = proof === undefined ? undefined : checkLogInProof(parts, proof);
  if (key?.thumbprint !== keyThumbprint) {
    throw refused(key === undefined ? 'dpop_missing' : 'dpop_key');
  }
  return key;
}

interface Proven {
  readonly name: string;
  readonly attested: AttestedPerson;
  readonly senderKey: SenderKey | undefined;
}

function open(
  parts: PeopleParts,
  call: Call,
  begun: Begun,
  { name, attested, senderKey }: Proven,
): (decidedAt: number) => Promise<Attempt<FinishedLogin>> {
  const { issuer, url } = begun;
  const finished = finishing(begun);
  return async (decidedAt) => {
    const { sessionSeconds, idleSeconds } = parts.people;
    const now = parts.clock.now();
    const latestEnd = now + sessionSeconds * 1000;
    const person: Person = { ...attested, issuer, issuerUrl: url, latestEnd };
    const stored: OperatorToken = {
      id: randomId('tok'),
      operator: name,
      operatorUid: url,
      spec: { sourceCidrs: [], minters: [], person },
      createdAt: now,
      endsAt: Math.min(latestEnd, now + idleSeconds * 1000),
      senderKey,
    };
    const quarantine = parts.quarantines.covering([
      scopeFence({ kind: 'operator', subject: name }),
    ]);
    if (quarantine !== undefined) throw new Quarantined(quarantine.id, name);
    const grants = grantsOf(parts.catalog.all('role-binding'), person);
    if (grants.length === 0 && !mayHoldRoles(parts, person)) {
      throw withoutRole(person);
    }
    if ((await parts.store.count(OPERATOR_TOKENS.ofOperator(name))) >= MOST_SESSIONS) {
      throw new BrokerError('ERR_RATE_LIMITED', undefined, { reason: 'person_sessions' });
    }
    const token = newToken('qmo');
    const hash = parts.tokens.hash(token);
    const live = parts.tokens.liveOf(stored, grants, hash);
    const document = { kind: 'operator', name };
    const facts = {
      token: stored.id,
      method: senderKey === undefined ? 'bearer' : 'dpop',
      keyThumbprint: senderKey?.thumbprint,
      document,
      endsAt: latestEnd,
    };
    return {
      plan: {
        decidedAt,
        // Logins of one moment are counted one after the other.
        reads: [...live.fences, sessionsOf(name)],
        invalidates: [sessionsOf(name)],
        notAfter: stored.endsAt,
        expect: [{ table: 'finished_logins', key: { id: finished.id }, absent: true }],
        writes: [
          { table: 'finished_logins', put: finished },
          { table: 'operator_tokens', put: parts.tokens.rowOf(stored, hash) },
          ...(begun.device === undefined ? [] : freed(begun.device.place).writes),
        ],
        entries: [
          entryOf(parts, call, live, { action: 'operator-token.create', outcome: 'ok', ...facts }),
        ],
      },
      settle: () => ({ token, stored }),
      conflict: () => refused('login_finished'),
    };
  };
}

/** The fence of the number of a person's sessions. */
function sessionsOf(name: string): string {
  return `person-sessions:${name}`;
}

/** Tells the person what the issuer said, and what is missing. The person proved to be this subject, so it reveals nothing to others. */
function withoutRole({ issuer, subject, claims }: Person): BrokerError {
  const said = Object.entries(claims).map(
    ([name, value]) => `${name}: ${[value].flat().join(', ')}`,
  );
  const known = [`sub: ${subject}`, ...said].join('; ').slice(0, LONGEST_SAID);
  const detail = `the issuer "${issuer}" says about you: ${known}. No role binding gives you a role`;
  return new BrokerError('ERR_NO_ROLE', detail, { reason: 'no_role', isDetailShown: true });
}

const LONGEST_SAID = 1_000;

/** Reports whether the person gets a role with the proof of a security key, which needs a session. */
function mayHoldRoles(parts: PeopleParts, person: Person): boolean {
  if (!provesKeys(parts, person)) return false;
  const proven = { ...person, proof: { key: '', at: 0 } };
  return grantsOf(parts.catalog.all('role-binding'), proven).length > 0;
}

/**
 * Postpones the end of a person's session while it is used, up to its latest end. The row changes at most four times in the idle time. A session
 * that ended in the meantime stays ended.
 */
export async function keepAlive(parts: PeopleParts, live: LiveOperator): Promise<void> {
  const { person, hash, own: operator } = live;
  if (person === undefined) return;
  const now = parts.clock.now();
  const idleMs = parts.people.idleSeconds * 1000;
  const endsAt = Math.min(person.latestEnd, now + idleMs);
  if (endsAt - operator.endsAt < idleMs / 4) return;
  const row = await parts.store.get('operator_tokens', { id: operator.tokenId });
  if (row === undefined) return;
  const stored = parts.tokens.open(row);
  const outcome = await parts.store.commit({
    reads: live.fences,
    decidedAt: parts.state.applied(),
    expect: [
      {
        table: 'operator_tokens',
        key: { id: row.id },
        match: { ends_at: row.ends_at, body: row.body },
      },
    ],
    writes: [{ table: 'operator_tokens', put: parts.tokens.rowOf({ ...stored, endsAt }, hash) }],
    invalidates: [`token:${row.id}`],
    entries: [],
  });
  if (outcome.status === 'committed' && outcome.seq > 0)
    await parts.state.waitForChange(outcome.seq);
}

/** Ends the caller's own session, or all sessions of the person. @throws ERR_NOT_FOUND if the caller is not a person */
export async function signOut(
  parts: PeopleParts,
  call: Call,
  live: LiveOperator,
  { everywhere }: { readonly everywhere: boolean },
): Promise<number> {
  const { name, tokenId } = live.operator;
  return endLogins(parts, call, live, { name, only: everywhere ? undefined : tokenId });
}

/** Ends all sessions of a person. @throws ERR_DENIED */
export function endLoginsOf(
  parts: PeopleParts,
  call: Call,
  live: LiveOperator,
  name: string,
): Promise<number> {
  return endLogins(parts, call, live, { name, only: undefined });
}

async function endLogins(
  parts: PeopleParts,
  call: Call,
  live: LiveOperator,
  { name, only }: { readonly name: string; readonly only: string | undefined },
): Promise<number> {
  const document = { kind: 'operator', name };
  const described = { action: 'operator-token.revoke', document } as const;
  return commitAs(parts, live, async (decidedAt, now): Promise<Attempt<number>> => {
    if (name !== now.operator.name) requireRole(now, 'responder');
    const rows = await parts.store.list(OPERATOR_TOKENS.ofOperator(name), { limit: MOST_LISTED });
    const ended = rows.filter((row) => isOfPerson(row) && (only ?? row.id) === row.id);
    if (ended.length === 0) throw new BrokerError('ERR_NOT_FOUND');
    return {
      plan: {
        decidedAt,
        reads: now.fences,
        notAfter: now.operator.endsAt,
        expect: ended.map(({ id }) => ({ table: 'operator_tokens', key: { id }, match: { id } })),
        writes: ended.map(({ id }) => ({ table: 'operator_tokens', remove: { id } })),
        invalidates: ended.map(({ id }) => `token:${id}`),
        urgent: true,
        entries: ended.map(({ id }) =>
          entryOf(parts, call, now, { ...described, outcome: 'ok', token: id }),
        ),
      },
      settle: () => ended.length,
    };
  }).catch((error: unknown) => recordFailure({ parts, call, caller: live }, [described], error));
}

function isOfPerson({ operator }: Tables['operator_tokens']): boolean {
  return operator.startsWith(PERSON);
}

const PERSON = 'oidc:';

/** Builds `oidc:<issuer>/<subject>`: no operator document has such a name. */
function nameOf(issuer: string, subject: string): string {
  const segment = identitySegment(subject);
  if (segment === undefined || segment.length > LONGEST_SUBJECT) throw refused('subject');
  return `${PERSON}${issuer}/${segment}`;
}

const LONGEST_SUBJECT = 255;

/** @throws ERR_NOT_FOUND */
function issuerOf({ people }: People, name: string): PeopleIssuer {
  const issuer = people.issuers.get(name);
  if (issuer === undefined) throw new BrokerError('ERR_NOT_FOUND');
  return issuer;
}

/** @throws ERR_TOKEN_INVALID for a text that this installation did not make, or that is too old */
function openLogin(parts: PeopleParts, login: string): Begun {
  let begun: Begun;
  try {
    begun = decodeCursor(parts, LOGINS, login) as Begun;
  } catch (cause) {
    throw new BrokerError('ERR_TOKEN_INVALID', undefined, { reason: 'login_form', cause });
  }
  if (begun.until <= parts.clock.now()) throw refused('login_expired');
  return begun;
}

function refused(reason: string): BrokerError {
  return new BrokerError('ERR_TOKEN_INVALID', undefined, { reason });
}
