import * as z from 'zod';
import type { Answer } from '../../request/answers.ts';
import type { Asked } from '../../request/route.ts';
import { countedLogin } from '../../request/counted-login.ts';
import { parseInput } from '../../request/parse-input.ts';
import type { Call, Caller } from '../../../broker/access/call.ts';
import { endOwnSession } from '../../../broker/leases/end-session.ts';
import { recordOperation } from '../../../broker/recording/operation.ts';
import { readOwnToken, revokeOperatorToken } from '../../../broker/sessions/operator-tokens.ts';
import { LiveSession } from '../../../broker/state/session-memory.ts';
import { BrokerError } from '../../../domain/errors.ts';
import type { Session } from '../../../domain/identity/principal.ts';
import { workloadId } from '../../../domain/identity/workload.ts';
import { instant } from '../../../domain/time/instant.ts';
import type { VaultApiConfig } from '../config.ts';
import { envelope, secondsUntil } from '../answers.ts';
import type { CallerRoute, PublicRoute } from '../route.ts';

const LOGIN_BYTES = 16_384;
const login = z.object({
  jwt: z.string().min(1).max(LOGIN_BYTES),
  role: z.string().max(256).optional(),
});

/** The login of AppRole, whatever the name of its mount. */
const appRole = z.object({ role_id: z.string() });
const APP_ROLE =
  'AppRole is not supported: a copied secret id proves no workload. Send the token of the pod or pipeline as "jwt"; register its issuer with quaymaster apply (kind: Cluster)';

/** Logs a workload in with the token that its cluster gave it. The policies decide what it may do, so `role` is repeated and has no effect. */
export function logInRoute(auth: VaultApiConfig['auth']): PublicRoute {
  return ({ name }) => ({
    body: { maxBytes: LOGIN_BYTES },
    read: ({ body, network, rates }) => {
      if (appRole.safeParse(body?.value).success)
        throw new BrokerError('ERR_REQUEST_INVALID', APP_ROLE);
      const configured = Object.hasOwn(auth, name) ? auth[name] : undefined;
      if (configured === undefined || !('cluster' in configured)) {
        throw new BrokerError('ERR_TOKEN_INVALID', undefined, { reason: 'no_auth_mount' });
      }
      const { jwt: token, role = '' } = parseInput(login, body?.value);
      const open = countedLogin({ rates, network }, { cluster: configured.cluster, token });
      return async ({ parts, call }) => {
        const opened = await open(parts, call);
        const now = parts.clock.now();
        return envelope(call, {
          auth: authJson(opened.session, { token: opened.token, role, now }),
        });
      };
    },
  });
}

interface Shown {
  readonly token: string;
  readonly role?: string;
  readonly now: number;
}

function authJson(session: Session, { token, role, now }: Shown): object {
  const { id, endsAt } = session;
  return tokenAuth({
    token,
    id,
    endsAt,
    now,
    renewable: true,
    metadata: metadataOf(session, role),
  });
}

interface ShownToken {
  readonly token: string;
  readonly id: string;
  readonly endsAt: number;
  readonly now: number;
  readonly renewable: boolean;
  readonly metadata: object;
}

/** A session as these clients see a token. The accessor is the id of the session. */
export function tokenAuth({ token, id, endsAt, now, renewable, metadata }: ShownToken): object {
  return {
    client_token: token,
    accessor: id,
    policies: [],
    token_policies: [],
    metadata,
    lease_duration: secondsUntil(endsAt, now),
    renewable,
    entity_id: '',
    token_type: 'service',
    orphan: true,
    mfa_requirement: null,
    num_uses: 0,
  };
}

function metadataOf({ workload }: Session, role?: string): object {
  const named = role === undefined ? {} : { role };
  if ('identity' in workload) return { ...named, workload: workloadId(workload) };
  const { namespace, serviceAccount, serviceAccountUid } = workload;
  return {
    ...named,
    service_account_name: serviceAccount,
    service_account_namespace: namespace,
    service_account_uid: serviceAccountUid,
  };
}

/** The session of a workload, recorded as read. */
function readSession({ parts, call }: Asked<Caller>, caller: LiveSession): Promise<Session> {
  const described = { action: 'session.read', session: caller.session.id } as const;
  return recordOperation({ parts, call, caller }, described, (now) => now.session);
}

export const lookUpSelf: CallerRoute = () => ({
  read:
    ({ token }) =>
    async (asked) => {
      const { parts, call, caller } = asked;
      const now = parts.clock.now();
      if (caller instanceof LiveSession) {
        const session = await readSession(asked, caller);
        const { id, workload, createdAt, endsAt } = session;
        const times = { createdAt, endsAt, now };
        return tokenAnswer(
          call,
          { token, id, name: workloadId(workload), ...times },
          metadataOf(session),
        );
      }
      const { name, tokenId, endsAt } = await readOwnToken(parts, call, caller);
      return tokenAnswer(call, { token, id: tokenId, name, createdAt: now, endsAt, now }, null);
    },
});

interface TokenFacts {
  readonly token: string;
  readonly id: string;
  readonly name: string;
  readonly createdAt: number;
  readonly endsAt: number;
  readonly now: number;
}

function tokenAnswer(call: Call, facts: TokenFacts, meta: object | null): Answer {
  const { token, id, name, createdAt, endsAt, now } = facts;
  const data = {
    accessor: id,
    creation_time: Math.floor(createdAt / 1_000),
    creation_ttl: secondsUntil(endsAt, createdAt),
    display_name: name,
    entity_id: '',
    expire_time: instant(endsAt),
    explicit_max_ttl: 0,
    id: token,
    issue_time: instant(createdAt),
    meta,
    num_uses: 0,
    orphan: true,
    path: meta === null ? 'auth/token/create' : 'auth/kubernetes/login',
    policies: [],
    renewable: meta !== null,
    ttl: secondsUntil(endsAt, now),
    type: 'service',
  };
  return envelope(call, { data });
}

/**
 * Answers with the time that remains: a session ends with the token that its workload presented last. Clients log in again with their token file when the
 * time no longer grows.
 */
export const renewSelf: CallerRoute = () => ({
  body: { maxBytes: 4_096, mayBeEmpty: true },
  read:
    ({ token }) =>
    async (asked) => {
      const { parts, call, caller } = asked;
      if (!(caller instanceof LiveSession)) {
        throw new BrokerError(
          'ERR_CONFLICT',
          'a token of an operator cannot be renewed; create another one: quaymaster operator token create',
        );
      }
      const session = await readSession(asked, caller);
      return envelope(call, { auth: authJson(session, { token, now: parts.clock.now() }) });
    },
});

export const revokeSelf: CallerRoute = () => ({
  body: { maxBytes: 4_096, mayBeEmpty: true },
  read:
    () =>
    async ({ parts, call, caller }) => {
      if (caller instanceof LiveSession) await endOwnSession(parts, call, caller);
      else {
        const { name: operator, tokenId: id } = caller.operator;
        await revokeOperatorToken(parts, call, caller, { operator, id });
      }
      return { status: 204 };
    },
});

const byName = z.object({
  token: z.string().max(LOGIN_BYTES).optional(),
  accessor: z.string().max(256).optional(),
});
const ONLY_ITSELF =
  'a token is looked up, renewed and revoked only by itself; list and end other sessions with quaymaster session ls and quaymaster session end';

/** A route of the caller's own token, which the body names by its text or its accessor. As in other servers of this API, an accessor never gives the token. */
export function ofOwnToken(make: CallerRoute): CallerRoute {
  return (matched) => {
    const route = make(matched);
    return {
      body: { maxBytes: LOGIN_BYTES, mayBeEmpty: true },
      read: (incoming) => {
        const { token, accessor } = parseInput(byName, incoming.body?.value ?? {});
        const isOwn =
          token === undefined ? accessor === accessorOf(incoming.caller) : token === incoming.token;
        if (!isOwn) {
          throw new BrokerError('ERR_DENIED', ONLY_ITSELF, {
            isDetailShown: true,
            reason: 'other_token',
          });
        }
        return route.read({ ...incoming, token: token ?? '' });
      },
    };
  };
}

function accessorOf(caller: Caller | undefined): string | undefined {
  return caller instanceof LiveSession ? caller.session.id : caller?.operator.tokenId;
}
