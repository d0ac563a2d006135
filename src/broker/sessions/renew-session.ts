import { AccountMismatch } from '../../domain/identity/account-mismatch.ts';
import { BrokerError } from '../../domain/errors.ts';
import type { Session } from '../../domain/identity/principal.ts';
import { workloadId, type Workload } from '../../domain/identity/workload.ts';
import type { Call } from '../access/call.ts';
import { attest, sessionEnd, type LogInRequest } from './log-in.ts';
import { recordFailure } from '../recording/operation.ts';
import type { Access, Bounds, Recording } from '../state/dependencies.ts';
import { commitAs, entryOf, type Attempt } from '../recording/record.ts';
import type { LiveSession } from '../state/session-memory.ts';

interface Renewing {
  readonly sessionToken: string;
}

/**
 * Extends the session to the end of a current token, or of the certificate of the connection, of the same cluster, service account and pod.
 * @throws ERR_TOKEN_INVALID, ERR_IDENTITY_UNAVAILABLE
 */
export async function renewSession(
  parts: Recording & Access & Pick<Bounds, 'limits'>,
  call: Call,
  live: LiveSession,
  { token, chain, sessionToken }: Pick<LogInRequest, 'token' | 'chain'> & Renewing,
): Promise<Session> {
  const acting = { parts, call, caller: live };
  const described = { action: 'session.renew', session: live.session.id } as const;
  return commitAs(parts, live, async (decidedAt, holder): Promise<Attempt<Session>> => {
    const { session } = holder;
    const { cluster: name } = session.workload;
    const { cluster, attested } = await attest(parts, call, { cluster: name, token, chain });
    if (cluster.uid !== session.clusterUid || !isSameHolder(session.workload, attested.workload)) {
      throw new BrokerError('ERR_TOKEN_INVALID', undefined, { reason: 'other_holder' });
    }
    const renewed: Session = { ...session, endsAt: sessionEnd(parts, attested) };
    const { tokenId, method } = attested;
    const { endsAt } = renewed;
    const facts = { ...described, outcome: 'ok', tokenId, method, endsAt } as const;
    return {
      plan: {
        decidedAt,
        reads: holder.fences,
        notAfter: Math.min(session.endsAt, endsAt),
        expect: [
          { table: 'sessions', key: { id: session.id }, match: { ends_at: session.endsAt } },
        ],
        writes: [
          {
            table: 'sessions',
            put: parts.sessions.rowOf(renewed, parts.sessions.hash(sessionToken)),
          },
        ],
        invalidates: [`session:${session.id}`],
        entries: [entryOf(parts, call, holder, facts)],
      },
      settle: () => renewed,
      conflict: () => new BrokerError('ERR_CONFLICT', 'the session changed meanwhile; retry'),
    };
  }).catch((error: unknown) => {
    const failed = { ...described, ...AccountMismatch.factsOf(error) };
    return recordFailure(acting, [failed], error);
  });
}

function isSameHolder(own: Workload, other: Workload): boolean {
  return (
    workloadId(own) === workloadId(other) &&
    uidOf(own) === uidOf(other) &&
    own.pod?.uid === other.pod?.uid
  );
}

function uidOf(workload: Workload): string | undefined {
  return 'identity' in workload ? undefined : workload.serviceAccountUid;
}
