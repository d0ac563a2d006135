import type { Quarantine } from '../../domain/identity/quarantine.ts';
import { workloadId, type Workload } from '../../domain/identity/workload.ts';
import type { PodState } from '../../ports/pod-watch.ts';
import { LEASES } from '../../ports/queries.ts';
import type { Access, Rights, Storage } from '../state/dependencies.ts';
import type { FitnessJudgement } from '../state/fitness.ts';
import { podFacts } from './check-pod.ts';
import { scanSessions } from '../state/select-sessions.ts';

/** Reason that blocks a workload despite its policies. */
export type Block =
  | { readonly by: 'quarantine'; readonly quarantine: Quarantine }
  | { readonly by: 'pod'; readonly state: Exclude<PodState, 'running' | 'unknown'> }
  | { readonly by: 'session'; readonly session: string }
  | { readonly by: 'posture'; readonly posture: string; readonly pending: boolean };

/** A version that was revoked from one session. That session does not get it again; a new session does. */
export interface RevokedVersion {
  readonly session: string;
  readonly lease: string;
  readonly version: string;
}

/** The most sessions of a pod that are checked, and the most leases of each. */
const SESSIONS = 20;
const MOST_LEASES = 1_000;

/**
 * Returns the quarantines in force at that time, the state of the pod if it blocks a login, the session if it has ended, and the posture profile that refuses
 * the pod the path that it reads. Without a pod, no profile is asked.
 */
export async function findBlocks(
  parts: Pick<Storage, 'store'> & Pick<Access, keyof Rights | 'quarantines'>,
  workload: Workload,
  { at, session, reads }: BlocksQuery,
): Promise<readonly Block[]> {
  const { cluster, pod } = workload;
  const fences = [
    `workload:${workloadId(workload)}`,
    ...(pod === undefined ? [] : [`pod:${cluster}/${pod.uid}`]),
  ];
  const blocks: Block[] = fences.flatMap((fence) => {
    const quarantine = parts.quarantines.find(fence);
    const isInForce =
      quarantine !== undefined && (quarantine.endsAt === undefined || quarantine.endsAt > at);
    return isInForce ? [{ by: 'quarantine', quarantine }] : [];
  });
  const seen = podFacts(parts, workload)?.state;
  if (seen === 'terminating' || seen === 'ended') blocks.push({ by: 'pod', state: seen });
  if (session !== undefined) {
    const row = await parts.store.get('sessions', { id: session });
    if (row === undefined) blocks.push({ by: 'session', session });
  }
  if (pod !== undefined && reads !== undefined) {
    blocks.push(...postureBlocks(parts.fitness.judge(workload, reads)));
  }
  return blocks;
}

function postureBlocks({ refusal }: FitnessJudgement): readonly Block[] {
  if (refusal === undefined) return [];
  const pending = refusal.code === 'ERR_POSTURE_PENDING';
  return [{ by: 'posture', posture: refusal.facts.posture, pending }];
}

interface BlocksQuery {
  readonly at: number;
  readonly session: string | undefined;
  /** The path, if it is to be read. */
  readonly reads: string | undefined;
}

/** Versions of the path that were revoked from the session. Without a session: from the open sessions of the pod. */
export async function revokedVersions(
  parts: Pick<Storage, 'store'>,
  { workload, path, session }: RevokedQuery,
): Promise<readonly RevokedVersion[]> {
  const found: RevokedVersion[] = [];
  for (const id of session === undefined ? await findSessions(parts, workload) : [session]) {
    const rows = await parts.store.list(LEASES.revokedOfSessionAndPath(id, path), {
      limit: MOST_LEASES,
    });
    found.push(...rows.map(({ id: lease, version }) => ({ session: id, lease, version })));
  }
  return found;
}

interface RevokedQuery {
  readonly workload: Workload;
  readonly path: string;
  readonly session: string | undefined;
}

async function findSessions(
  parts: Pick<Storage, 'store'>,
  { cluster, pod }: Workload,
): Promise<readonly string[]> {
  if (pod === undefined) return [];
  const window = { after: undefined, limit: SESSIONS };
  const { rows } = await scanSessions(parts, { cluster, pod: pod.uid }, window);
  return rows.map(({ id }) => id);
}
