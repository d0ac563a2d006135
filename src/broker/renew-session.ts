import { BrokerError } from '../domain/errors.ts';
import type { Session } from '../domain/principal.ts';
import type { Workload } from '../domain/workload.ts';
import type { Call } from './call.ts';
import { attest, sessionEnd } from './log-in.ts';
import type { Parts } from './parts.ts';
import { commitDecided, entryOf } from './record.ts';
import type { LiveSession } from './state/sessions.ts';

/**
 * Moves the session's end to that of a current token of the same cluster, service account and pod.
 * @throws ERR_TOKEN_INVALID, ERR_IDENTITY_UNAVAILABLE
 */
export async function renewSession(
  parts: Parts,
  call: Call,
  live: LiveSession,
  request: { readonly token: string; readonly sessionToken: string },
): Promise<Session> {
  const { session } = live;
  try {
    return await commitDecided(parts, async (decidedAt) => {
      const { cluster } = session.workload;
      const { attested } = await attest(parts, call, { cluster, token: request.token });
      if (!isSameHolder(session.workload, attested.workload)) {
        throw new BrokerError('ERR_TOKEN_INVALID', undefined, { reason: 'other_holder' });
      }
      const renewed: Session = { ...session, endsAt: sessionEnd(parts, attested) };
      const row = parts.sessions.seal(renewed, parts.sessions.hash(request.sessionToken));
      return {
        plan: {
          decidedAt,
          reads: live.fences,
          notAfter: Math.min(session.endsAt, renewed.endsAt),
          expect: [
            { table: 'sessions', key: { id: session.id }, match: { ends_at: session.endsAt } },
          ],
          writes: [{ table: 'sessions', put: row }],
          narrows: [`session:${session.id}`],
          entries: [
            entryOf(parts, call, live, {
              action: 'session.renew',
              outcome: 'ok',
              session: session.id,
              tokenId: attested.tokenId,
              method: attested.method,
              endsAt: renewed.endsAt,
            }),
          ],
        },
        settle: () => renewed,
        conflict: () => new BrokerError('ERR_CONFLICT', 'the session changed meanwhile; try again'),
      };
    });
  } catch (error) {
    if (error instanceof BrokerError) await recordRefused(parts, call, live, error);
    throw error;
  }
}

async function recordRefused(
  parts: Parts,
  call: Call,
  live: LiveSession,
  error: BrokerError,
): Promise<void> {
  if (error.code !== 'ERR_TOKEN_INVALID' && error.code !== 'ERR_IDENTITY_UNAVAILABLE') return;
  const entry = entryOf(parts, call, live, {
    action: 'session.renew',
    outcome: error.code === 'ERR_TOKEN_INVALID' ? 'deny' : 'error',
    code: error.code,
    reason: error.reason,
    session: live.session.id,
  });
  await parts.store.commit({ entries: [entry] });
}

function isSameHolder(own: Workload, other: Workload): boolean {
  return (
    own.namespace === other.namespace &&
    own.serviceAccount === other.serviceAccount &&
    own.serviceAccountUid === other.serviceAccountUid &&
    own.pod?.uid === other.pod?.uid
  );
}
