import { BrokerError } from '../domain/errors.ts';
import { holdsEverywhere } from '../domain/principal.ts';
import { randomId } from '../crypto/random.ts';
import { newToken } from '../crypto/token.ts';
import type { Call } from './call.ts';
import { found } from './documents/document.ts';
import { parseOperatorToken } from './documents/schema.ts';
import { recordOperation, requireRole } from './operation.ts';
import type { Parts } from './parts.ts';
import { commitDecided, entryOf, outcomeOf } from './record.ts';
import type { LiveOperator, OperatorToken } from './state/operator-tokens.ts';

const MOST = 1_000;

/** The token's text is in the answer once, and nowhere after that. @throws ERR_DENIED, ERR_NOT_FOUND, ERR_BODY_INVALID */
export async function createOperatorToken(
  parts: Parts,
  call: Call,
  live: LiveOperator,
  request: { readonly operator: string; readonly body: unknown },
): Promise<{ readonly token: string; readonly stored: OperatorToken }> {
  const document = { kind: 'operator', name: request.operator };
  return refusalRecorded({ parts, call, live }, { action: 'operator-token.create', document }, () =>
    commitDecided(parts, (decidedAt) => {
      requireRole(live, 'admin');
      const operator = found(parts.catalog.find('operator', request.operator));
      const { ttlSeconds, spec } = parseOperatorToken(request.body);
      const now = parts.clock.now();
      const stored: OperatorToken = {
        id: randomId('tok'),
        operator: operator.name,
        operatorUid: operator.uid,
        spec,
        createdAt: now,
        endsAt: now + ttlSeconds * 1000,
      };
      const token = newToken('qmo');
      const { id: tokenId, endsAt } = stored;
      return {
        plan: {
          decidedAt,
          reads: [...live.fences, `operator:${operator.name}`],
          notAfter: live.operator.endsAt,
          writes: [
            { table: 'operator_tokens', put: parts.tokens.seal(stored, parts.tokens.hash(token)) },
          ],
          entries: [
            entryOf(parts, call, live, {
              action: 'operator-token.create',
              outcome: 'ok',
              token: tokenId,
              document,
              endsAt,
            }),
          ],
        },
        settle: () => ({ token, stored }),
      };
    }),
  );
}

/** @throws ERR_DENIED, ERR_NOT_FOUND */
export async function listOperatorTokens(
  parts: Parts,
  call: Call,
  live: LiveOperator,
  operator: string,
): Promise<readonly OperatorToken[]> {
  const document = { kind: 'operator', name: operator };
  return recordOperation(
    { parts, call, caller: live },
    { action: 'operator-token.list', document },
    async () => {
      if (operator !== live.operator.name) requireRole(live, 'admin');
      found(parts.catalog.find('operator', operator));
      const rows = await parts.store.list('operator_tokens', { equals: { operator }, limit: MOST });
      return rows.map((row) => parts.tokens.open(row));
    },
  );
}

/** Dead for every request that comes after the answer. An operator may revoke its own. @throws ERR_DENIED, ERR_NOT_FOUND */
export async function revokeOperatorToken(
  parts: Parts,
  call: Call,
  live: LiveOperator,
  request: { readonly operator: string; readonly id: string },
): Promise<void> {
  const document = { kind: 'operator', name: request.operator };
  const { id } = request;
  await refusalRecorded({ parts, call, live }, { action: 'operator-token.revoke', document }, () =>
    commitDecided(parts, async (decidedAt) => {
      const own = request.operator === live.operator.name;
      if (!own && !holdsEverywhere(live.operator, 'admin')) {
        throw new BrokerError('ERR_DENIED', undefined, { reason: 'no_role' });
      }
      const row = await parts.store.get('operator_tokens', { id });
      if (row?.operator !== request.operator) throw new BrokerError('ERR_NOT_FOUND');
      return {
        plan: {
          decidedAt,
          reads: live.fences,
          notAfter: live.operator.endsAt,
          writes: [{ table: 'operator_tokens', remove: { id } }],
          narrows: [`token:${id}`],
          urgent: true,
          entries: [
            entryOf(parts, call, live, {
              action: 'operator-token.revoke',
              outcome: 'ok',
              token: id,
              document,
            }),
          ],
        },
        settle: () => undefined,
      };
    }),
  );
}

async function refusalRecorded<T>(
  {
    parts,
    call,
    live,
  }: { readonly parts: Parts; readonly call: Call; readonly live: LiveOperator },
  what: {
    readonly action: 'operator-token.create' | 'operator-token.revoke';
    readonly document: { readonly kind: string; readonly name: string };
  },
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const failure = BrokerError.from(error);
    const { code, reason } = failure;
    const outcome = outcomeOf(failure);
    await parts.store.commit({
      entries: [entryOf(parts, call, live, { ...what, outcome, code, reason })],
    });
    throw failure;
  }
}
