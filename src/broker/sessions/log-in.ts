import { AccountMismatch } from '../../domain/identity/account-mismatch.ts';
import { BrokerError } from '../../domain/errors.ts';
import type { Session } from '../../domain/identity/principal.ts';
import { Quarantined } from '../../domain/identity/quarantine.ts';
import { TooManySessions } from '../../domain/identity/too-many-sessions.ts';
import type { SenderKey } from '../../domain/identity/sender-key.ts';
import type { PodFacts } from '../../ports/pod-watch.ts';
import type {
  AttestedWorkload,
  PresentedChain,
  WorkloadAuthenticator,
} from '../../ports/workload-authenticator.ts';
import { orderedId } from '../../crypto/random/random.ts';
import { newToken } from '../../crypto/random/token.ts';
import type { Call } from '../access/call.ts';
import type { Access, Bounds, Recording, Rights, Storage } from '../state/dependencies.ts';
import { checkPod } from '../access/check-pod.ts';
import { checkLogInProof } from '../access/check-proof.ts';
import type { ShownProof } from '../access/shown-proof.ts';
import { commitDecided, entryOf, isUnrecordable } from '../recording/record.ts';
import { recordRefusal } from '../recording/refusals.ts';
import type { Seeing } from '../recording/sightings.ts';
import type { StoredDocument } from '../model/document.ts';
import { LiveSession } from '../state/session-memory.ts';

export interface LogInRequest {
  readonly cluster: string;
  /** The token of the workload; undefined if it logs in with a certificate. */
  readonly token?: string | undefined;
  /** The certificate that the caller proved to hold. */
  readonly chain?: PresentedChain | undefined;
  /** A proof of the key that the session is bound to. */
  readonly proof?: ShownProof | undefined;
}

export interface OpenedSession {
  /** Token `qms_…`: returned once, stored only as a keyed hash. */
  readonly token: string;
  readonly session: Session;
  /** The position of the event stream at login: a follower that starts there misses no event about the secrets of this session. */
  readonly eventId: number;
}

/**
 * Verifies a service-account token with the keys of the cluster that it names, and opens a session that ends no later than the token.
 * @throws ERR_TOKEN_INVALID, the same for every problem of the token; ERR_IDENTITY_UNAVAILABLE if the token cannot be verified now;
 * ERR_DENIED for a workload or pod in quarantine; ERR_POSTURE_DENIED and ERR_POSTURE_PENDING for a pod that is not fit for any secret; ERR_RATE_LIMITED if the pod or the workload has as many sessions as it may.
 */
export async function logIn(
  parts: Recording & Access & Bounds & Seeing,
  call: Call,
  request: LogInRequest,
): Promise<OpenedSession> {
  let taken: (() => void) | undefined;
  try {
    const { proof } = request;
    // Another broker may have registered it just now.
    if (parts.catalog.find('cluster', request.cluster) === undefined) await parts.state.catchUp();
    const senderKey = proof === undefined ? undefined : checkLogInProof(parts, proof);
    return await commitDecided(parts, async (decidedAt) => {
      const { cluster, attested, pod } = await attest(parts, call, request);
      const { refusal, noted: posture } = parts.fitness.judge(
        attested.workload,
        undefined,
        pod,
        call,
      );
      if (refusal !== undefined) throw refusal;
      const { token, live, row } = open(parts, cluster, attested, {
        senderKey,
        source: call.address,
      });
      const quarantine = parts.quarantines.covering(live.identityFences);
      if (quarantine !== undefined) throw new Quarantined(quarantine.id, live.workloadId);
      if (taken === undefined) {
        const quota = parts.sessionQuota.take(live);
        taken = quota instanceof Promise ? await quota : quota;
      }
      const sighting = parts.sightings.ofLogin(attested.workload, pod);
      const entry = entryOf(parts, call, live, {
        action: 'session.create',
        outcome: 'ok',
        session: live.session.id,
        tokenId: attested.tokenId,
        method: attested.method,
        keyThumbprint: senderKey?.thumbprint,
        posture,
        endsAt: live.session.endsAt,
      });
      return {
        plan: {
          decidedAt,
          reads: live.identityFences,
          notAfter: live.session.endsAt,
          writes: [{ table: 'sessions', put: row }, ...(sighting?.writes ?? [])],
          entries: [entry],
        },
        settle: () => {
          sighting?.committed();
          return { token, session: live.session, eventId: decidedAt };
        },
      };
    });
  } catch (error) {
    const failure = BrokerError.from(error);
    await recordLogInRefusal(parts, call, failure);
    throw failure;
  } finally {
    taken?.();
  }
}

/** Identifies the workload that presents this token to this cluster; its pod must be running. */
export async function attest(
  parts: Rights & Pick<Bounds, 'limits'>,
  call: Call,
  request: LogInRequest,
): Promise<Attested> {
  const cluster = parts.catalog.find('cluster', request.cluster);
  const authenticator = parts.clusters.authenticator(request.cluster);
  if (cluster === undefined || authenticator === undefined) {
    throw new BrokerError('ERR_TOKEN_INVALID', undefined, { reason: 'unknown_cluster' });
  }
  const attested = await authenticateCaller(authenticator, call, request);
  // The token check tolerates clock skew, but a session that has already ended is not opened.
  if (sessionEnd(parts, attested) <= parts.clock.now()) {
    throw new BrokerError('ERR_TOKEN_INVALID', undefined, { reason: 'expired' });
  }
  return { cluster, attested, pod: await checkPod(parts, call, attested.workload) };
}

interface Attested {
  readonly cluster: StoredDocument<'cluster'>;
  readonly attested: AttestedWorkload;
  readonly pod: PodFacts | undefined;
}

/** A chain in the body of a request would prove nothing: only the connection's own counts. */
function authenticateCaller(
  authenticator: WorkloadAuthenticator,
  call: Call,
  { token, chain }: Pick<LogInRequest, 'token' | 'chain'>,
): Promise<AttestedWorkload> {
  if (token !== undefined) return authenticator.authenticate(token, call.context());
  if (chain === undefined || authenticator.authenticateCertificate === undefined) {
    throw new BrokerError('ERR_TOKEN_INVALID', undefined, { reason: 'certificate_missing' });
  }
  return authenticator.authenticateCertificate(chain);
}

function open(
  parts: Recording & Pick<Access, 'sessions'> & Pick<Bounds, 'limits'>,
  cluster: StoredDocument<'cluster'>,
  attested: AttestedWorkload,
  { senderKey, source }: { readonly senderKey: SenderKey | undefined; readonly source: string },
): {
  readonly token: string;
  readonly live: LiveSession;
  readonly row: ReturnType<Access['sessions']['rowOf']>;
} {
  const now = parts.clock.now();
  const session: Session = {
    kind: 'workload',
    id: orderedId('ses', now),
    workload: attested.workload,
    source,
    clusterUid: cluster.uid,
    createdAt: now,
    endsAt: sessionEnd(parts, attested),
    senderKey,
  };
  const token = newToken('qms');
  const hash = parts.sessions.hash(token);
  const live = new LiveSession(session, hash, parts.store, parts.digest);
  return { token, live, row: parts.sessions.rowOf(session, hash) };
}

export function sessionEnd(
  parts: Pick<Storage, 'clock'> & Pick<Bounds, 'limits'>,
  attested: AttestedWorkload,
): number {
  return Math.min(attested.tokenEndsAt, parts.clock.now() + parts.limits.maxSessionSeconds * 1000);
}

async function recordLogInRefusal(
  parts: Recording,
  call: Call,
  failure: BrokerError,
): Promise<void> {
  if (isUnrecordable(failure)) return;
  const described = {
    action: 'session.create',
    ...AccountMismatch.factsOf(failure),
    ...Quarantined.factsOf(failure),
    ...TooManySessions.factsOf(failure),
  } as const;
  await recordRefusal(parts, { call, caller: undefined }, described, failure);
}
