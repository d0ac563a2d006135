import { grantSubjects } from '../../domain/identity/approval.ts';
import { BrokerError } from '../../domain/errors.ts';
import {
  narrowGrants,
  type Grant,
  type Operator,
  type OperatorTokenSpec,
} from '../../domain/identity/principal.ts';
import { randomId } from '../../crypto/random/random.ts';
import { newToken } from '../../crypto/random/token.ts';
import type { Call } from '../access/call.ts';
import { isConsent, withConsent, type Consenting, type Granting } from '../recording/consent.ts';
import { orNotFound, type StoredDocument } from '../model/document.ts';
import { parseOperatorToken } from '../model/schema.ts';
import {
  recordFailure,
  recordOperation,
  requireOwnAdmin,
  requireRole,
} from '../recording/operation.ts';
import type { Access, People, Recording } from '../state/dependencies.ts';
import { grantsAdmin } from '../recording/granting.ts';
import { commitAs, entryOf, type Attempt } from '../recording/record.ts';
import { checkTokenBounds } from '../access/token-bounds.ts';
import { liveAdminTokens, OPERATORS_FENCE, usableAdminBindings } from '../access/ways-in.ts';
import type { LiveOperator, OperatorToken } from '../state/operator-token-memory.ts';
import { OPERATOR_TOKENS } from '../../ports/queries.ts';

const MOST = 1_000;
/** The default lifetime of a token; shorter if the minting token ends earlier. */
const USUAL_MS = 3_600_000;

/**
 * Creates a token. Only this answer contains its text; it is never returned again. @throws ERR_DENIED, ERR_NOT_FOUND,
 * ERR_BODY_INVALID
 */
export async function createOperatorToken(
  parts: Recording & Access & Consenting,
  call: Call,
  live: LiveOperator,
  request: { readonly operator: string; readonly body: unknown },
): Promise<{ readonly token: string; readonly stored: OperatorToken }> {
  const document = { kind: 'operator', name: request.operator };
  const acting = { parts, call, caller: live };
  const described = { action: 'operator-token.create', document } as const;
  return commitAs(
    parts,
    live,
    (decidedAt, admin): Attempt<{ readonly token: string; readonly stored: OperatorToken }> => {
      requireOwnAdmin(admin);
      const operator = orNotFound(parts.catalog.find('operator', request.operator));
      const { ttlSeconds, spec } = parseOperatorToken(request.body);
      const now = parts.clock.now();
      const stored: OperatorToken = {
        id: randomId('tok'),
        operator: operator.name,
        operatorUid: operator.uid,
        spec: { ...spec, ...mintingOf(admin), operatorVersion: operator.version },
        createdAt: now,
        endsAt:
          ttlSeconds === undefined
            ? Math.min(now + USUAL_MS, admin.operator.endsAt)
            : now + ttlSeconds * 1000,
      };
      checkTokenBounds(admin.operator, operator.spec.grants, stored);
      const acting = { call, live: admin, decidedAt };
      const consent = parts.consents.to(acting, tokenGrant(admin, operator, request.body));
      if (!isConsent(consent)) return consent;
      const token = newToken('qmo');
      const { id: tokenId, endsAt } = stored;
      return {
        plan: withConsent(consent, {
          decidedAt,
          reads: [...admin.fences, `operator:${operator.name}`],
          notAfter: admin.operator.endsAt,
          writes: [
            { table: 'operator_tokens', put: parts.tokens.rowOf(stored, parts.tokens.hash(token)) },
          ],
          entries: [
            entryOf(parts, call, admin, {
              ...described,
              outcome: 'ok',
              token: tokenId,
              method: 'bearer',
              endsAt,
            }),
          ],
        }),
        settle: () => ({ token, stored }),
      };
    },
  ).catch((error: unknown) => recordFailure(acting, [described], error));
}

/** The holders of the minting token may also have the text of the new one. */
function mintingOf({
  operator: { name },
  minters,
}: LiveOperator): Pick<OperatorTokenSpec, 'mintedBy' | 'minters'> {
  return { mintedBy: name, minters: [...new Set([...minters, name])] };
}

/**
 * A token is a grant of its rights, because the minter has its text. For the minter's own operator it is bounded by the minting token, and has
 * the same name in every approval.
 */
function tokenGrant(
  minter: LiveOperator,
  operator: StoredDocument<'operator'>,
  body: unknown,
): Granting | undefined {
  if (operator.name === minter.operator.name) return undefined;
  const { grants } = parseOperatorToken(body).spec;
  const held = operator.spec.grants;
  const gives = grantSubjects(grants === undefined ? held : narrowGrants(held, grants));
  const replaces = `${operator.uid}/${operator.version}`;
  return { kind: 'operator-token', name: operator.name, body, replaces, gives };
}

export interface ListedToken {
  readonly stored: OperatorToken;
  /** The rights that the token has now. */
  readonly carries: readonly Grant[];
}

/** @throws ERR_DENIED, ERR_NOT_FOUND */
export async function listOperatorTokens(
  parts: Recording & Access,
  call: Call,
  live: LiveOperator,
  operator: string,
): Promise<readonly ListedToken[]> {
  const document = { kind: 'operator', name: operator };
  return recordOperation(
    { parts, call, caller: live },
    { action: 'operator-token.list', document },
    async (now) => {
      if (operator !== now.operator.name) requireRole(now, 'admin');
      const owner = orNotFound(parts.catalog.find('operator', operator));
      const rows = await parts.store.list(OPERATOR_TOKENS.ofOperator(operator), { limit: MOST });
      const listed: ListedToken[] = [];
      for (const row of rows) {
        const stored = parts.tokens.open(row);
        listed.push({ stored, carries: await parts.tokens.grantsOf(stored, owner) });
      }
      return listed;
    },
  );
}

/** The caller's own token, with the grants that the token and its operator's document have in common. */
export async function readOwnToken(
  parts: Recording & Access,
  call: Call,
  live: LiveOperator,
): Promise<Operator> {
  const document = { kind: 'operator', name: live.operator.name };
  return recordOperation(
    { parts, call, caller: live },
    { action: 'operator-token.list', document },
    (now) => Promise.resolve(now.operator),
  );
}

/**
 * Revokes a token. Every request after the answer is refused. An operator may revoke its own token. @throws ERR_DENIED,
 * ERR_NOT_FOUND, ERR_CONFLICT for the last way in of an admin
 */
export async function revokeOperatorToken(
  parts: Recording & Access & People,
  call: Call,
  live: LiveOperator,
  request: { readonly operator: string; readonly id: string },
): Promise<void> {
  const document = { kind: 'operator', name: request.operator };
  const { id } = request;
  const acting = { parts, call, caller: live };
  const described = { action: 'operator-token.revoke', document, token: id } as const;
  await commitAs(parts, live, async (decidedAt, now): Promise<Attempt<undefined>> => {
    if (request.operator !== now.operator.name) requireRole(now, 'admin');
    const row = await parts.store.get('operator_tokens', { id });
    if (row?.operator !== request.operator) throw new BrokerError('ERR_NOT_FOUND');
    const owner = parts.catalog.find('operator', row.operator);
    const isAdmin = owner !== undefined && grantsAdmin(owner);
    if (isAdmin) await checkWayInRemains(parts, id);
    const waysIn = isAdmin ? [OPERATORS_FENCE] : [];
    return {
      plan: {
        decidedAt,
        reads: [...now.fences, ...waysIn],
        notAfter: now.operator.endsAt,
        expect: [{ table: 'operator_tokens', key: { id }, match: { id } }],
        writes: [{ table: 'operator_tokens', remove: { id } }],
        invalidates: [`token:${id}`, ...waysIn],
        urgent: true,
        entries: [entryOf(parts, call, now, { ...described, outcome: 'ok' })],
      },
      settle: () => undefined,
    };
  }).catch((error: unknown) => recordFailure(acting, [described], error));
}

/** A leaked last token is revoked after another one was created with it. @throws ERR_CONFLICT for the last way in of an admin */
async function checkWayInRemains(
  parts: Parameters<typeof liveAdminTokens>[0] & People,
  id: string,
): Promise<void> {
  if (usableAdminBindings(parts).length > 0) return;
  const live = await liveAdminTokens(parts);
  if (live.length !== 1 || live[0]?.id !== id) return;
  throw new BrokerError(
    'ERR_CONFLICT',
    'this is the last live token with the role admin; create another one first: quaymaster operator token create',
  );
}
