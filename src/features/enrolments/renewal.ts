import { BrokerError } from '../../domain/errors.ts';
import { isEnrolling } from '../../domain/identity/cluster.ts';
import { clusterLog } from '../../ports/log.ts';
import { Worker } from '../../broker/kernel/worker.ts';
import { SystemActor } from '../../broker/recording/record.ts';
import type { Access, Recording, Work } from '../../broker/state/dependencies.ts';
import {
  isFor,
  type ClusterCredential,
  type Enrolling,
  type Enrolment,
} from '../../broker/state/enrolled-clusters.ts';
import { ending } from './enrolments.ts';
import { requestToken } from './request-token.ts';

const EVERY_MS = 10_000;
const RETRY_MS = 120_000;
/** Requests at once: each may wait some seconds for an API server that does not answer. */
const AT_ONCE = 16;

type RenewingParts = Recording & Pick<Access, 'catalog'> & Enrolling & Pick<Work, 'log'>;

interface Due extends Enrolment {
  readonly credential: ClusterCredential;
}

/**
 * Exchanges the credentials of enrolled clusters for new ones, and removes the enrolments of clusters that are gone. Each broker does both: a credential that
 * another broker has renewed meanwhile stays.
 */
export function renewalWorker(parts: RenewingParts): Worker {
  const actor = new SystemActor(parts, 'enrolment');
  const retryAt = new Map<string, number>();
  return new Worker('enrolments', EVERY_MS, parts, async (signal) => {
    for (const enrolment of parts.enrolled.all()) {
      const document = parts.catalog.find('cluster', enrolment.cluster);
      if (document === undefined || document.uid !== enrolment.clusterUid)
        await endOrphan(parts, actor, enrolment);
    }
    const due = parts.enrolled
      .all()
      .filter((each): each is Due => isDue(parts, each, retryAt.get(each.cluster)));
    const next = due.values();
    const work = async (): Promise<void> => {
      for (const each of next) {
        if (signal.aborted) return;
        retryAt.delete(each.cluster);
        if (!(await renew(parts, actor, each)))
          retryAt.set(each.cluster, parts.clock.monotonic() + RETRY_MS);
      }
    };
    await Promise.all(Array.from({ length: Math.min(AT_ONCE, due.length) }, work));
  });
}

function isDue(
  { clock }: RenewingParts,
  { credential }: Enrolment,
  retryAt = Number.NEGATIVE_INFINITY,
): boolean {
  if (credential === undefined) return false;
  const now = clock.now();
  return credential.renewAt <= now && now < credential.endsAt && retryAt <= clock.monotonic();
}

/** @returns false if the API server gave no token */
async function renew(
  parts: RenewingParts,
  actor: SystemActor,
  { cluster, clusterUid, apiServer, credential }: Due,
): Promise<boolean> {
  const document = parts.catalog.find('cluster', cluster);
  if (document === undefined || !isFor({ clusterUid, apiServer }, document)) return true;
  const { spec, name, version } = document;
  if (!isEnrolling(spec)) return true;
  const log = clusterLog(parts.log, { cluster, connection: spec.connection });
  try {
    const renewed = await requestToken(parts, spec, credential.token);
    const { token, endsAt, renewAt } = renewed;
    const place = { cluster_uid: clusterUid, api_server: apiServer };
    const event = {
      action: 'enrolment.renew',
      outcome: 'ok',
      document: { kind: 'cluster', name, version },
      endsAt,
    } as const;
    await parts.store.commit({
      expect: [
        {
          table: 'enrolments',
          key: { cluster },
          match: { ...place, ends_at: credential.endsAt, renew_at: credential.renewAt },
        },
      ],
      writes: [
        {
          table: 'enrolments',
          key: { cluster },
          change: {
            sealed: parts.enrolled.encrypt(place, token.reveal()),
            ends_at: endsAt,
            renew_at: renewAt,
            updated_at: parts.clock.now(),
          },
        },
      ],
      invalidates: [`enrolment:${cluster}`],
      entries: [actor.entry(event)],
    });
    return true;
  } catch (error) {
    const { code } = BrokerError.from(error);
    log.warn(
      { err: error, code, endsAt: new Date(credential.endsAt).toISOString() },
      'the credential of an enrolled cluster could not be renewed; the broker retries until it ends',
    );
    return false;
  }
}

async function endOrphan(
  { store }: RenewingParts,
  actor: SystemActor,
  { cluster, clusterUid }: Enrolment,
): Promise<void> {
  const document = { kind: 'cluster', name: cluster };
  const event = {
    action: 'enrolment.end',
    outcome: 'ok',
    document,
    cause: 'cluster_gone',
  } as const;
  await store.commit({
    ...ending(cluster),
    expect: [{ table: 'enrolments', key: { cluster }, match: { cluster_uid: clusterUid } }],
    entries: [actor.entry(event)],
  });
}
