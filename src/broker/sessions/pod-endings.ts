import { withDeadline } from '../../ports/deadline.ts';
import type { PodEnd, PodWatch } from '../../ports/pod-watch.ts';
import type { Workload } from '../../domain/identity/workload.ts';
import type { Lease } from '../../domain/secrets/lease.ts';
import type { Expectation } from '../../ports/store.ts';
import { randomId } from '../../crypto/random/random.ts';
import { endLeases } from '../state/end-leases.ts';
import { endSomeSessions } from '../leases/end-session.ts';
import type { Tables } from '../../ports/tables.ts';
import { LEASES, SESSIONS, allRows } from '../../ports/queries.ts';
import type { Backends, Bounds, Recording } from '../state/dependencies.ts';
import { SystemActor } from '../recording/record.ts';
import { openLease } from '../state/lease-rows.ts';
import { removeSessions } from '../leases/ended-sessions.ts';
import { listAll } from '../kernel/list-all.ts';
import { facts } from '../leases/expiry.ts';

/** The most sessions that one commit ends. */
const CHUNK = 50;
const FEW = 10;
const RETRY_MS = 1_000;
const CONFIRM_MS = 10_000;

/** A pod of a cluster, or the cluster as a whole. */
interface Ended extends Pick<PodEnd, 'cluster'> {
  readonly uid: string | undefined;
}

/** Revokes everything of a pod as soon as the watch reports its end; retries while the store fails. */
export class PodEndings {
  readonly #parts: Backends & Pick<Recording, 'digest' | 'store'> & Pick<Bounds, 'limits'>;
  readonly #actor: SystemActor;
  readonly #under = new Set<Promise<void>>();
  #stopped = false;

  constructor(parts: Backends & Pick<Recording, 'digest' | 'store'> & Pick<Bounds, 'limits'>) {
    this.#parts = parts;
    this.#actor = new SystemActor(parts, 'pod-watch');
  }

  ended(end: PodEnd): void {
    this.#track(this.#untilDone(end, () => this.#revokeHoldings(end)));
  }

  /**
   * The watch lost many pods at once. Their sessions end, and a new login restores access. Their leases stay until an operator revokes them
   * or they expire.
   */
  lost(ends: readonly PodEnd[]): void {
    this.#parts.log.error(
      { pods: ends.length, cluster: ends[0]?.cluster },
      'the watch lost many pods at once: their sessions are suspended; revoke their leases by pod if they are gone',
    );
    for (const end of ends) this.#suspended(end);
  }

  #suspended(end: PodEnd): void {
    this.#track(this.#untilDone(end, () => this.#suspend(end)));
  }

  /** The registration of a cluster was removed: everything that came from it ends. */
  clusterGone(cluster: string, uid: string): void {
    this.#track(this.#untilDone({ cluster, uid: undefined }, () => this.#endCluster(cluster, uid)));
  }

  /**
   * Revokes everything of pods that ended while no process watched. If many are missing at once, an incomplete watch is more
   * likely than ended pods. Their sessions are then suspended, as in `lost`.
   */
  async reconcile(cluster: string, watch: PodWatch): Promise<void> {
    const seen = new Map<string, PodEnd>();
    for await (const row of listAll(this.#parts.store, SESSIONS.ofCluster(cluster))) {
      if (row.pod_uid !== null && !seen.has(row.pod_uid)) seen.set(row.pod_uid, vanished(row));
    }
    const ends = [...seen.values()].filter(({ uid }) => watch.find(uid) === undefined);
    if (ends.length > FEW && ends.length > seen.size / 5) this.lost(ends);
    else for (const end of ends) this.#track(this.#confirmEnd(end, watch));
  }

  /** Ends sessions from registrations of removed clusters: the process that saw the removal may have died before it ended them. */
  async endOrphaned(): Promise<void> {
    const orphaned = new Map<string, { readonly cluster: string; readonly uid: string }>();
    for await (const row of listAll(this.#parts.store, allRows('sessions'))) {
      const { cluster, cluster_uid: uid } = row;
      if (this.#parts.catalog.find('cluster', cluster)?.uid !== uid)
        orphaned.set(uid, { cluster, uid });
    }
    for (const { cluster, uid } of orphaned.values()) this.clusterGone(cluster, uid);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#under);
  }

  #track(work: Promise<void>): void {
    this.#under.add(work);
    void work.finally(() => this.#under.delete(work));
  }

  async #untilDone({ cluster, uid }: Ended, work: () => Promise<void>): Promise<void> {
    while (!this.#stopped) {
      try {
        await work();
        return;
      } catch (error) {
        this.#parts.log.error(
          { err: error, cluster, pod: uid },
          'could not revoke the leases of an ended pod; retrying',
        );
        await this.#parts.clock.sleep(RETRY_MS);
      }
    }
  }

  /**
   * A pod that logged in recently may not be in the watch yet, so one fresh lookup decides. If the lookup fails, its sessions are
   * suspended, and a new login restores access.
   */
  async #confirmEnd(end: PodEnd, watch: PodWatch): Promise<void> {
    const requestId = randomId('req');
    const confirmed = withDeadline(this.#parts.clock, CONFIRM_MS, (signal) =>
      watch.confirm(end, { requestId, signal }),
    );
    const state = await confirmed.then(
      (facts) => facts.state,
      () => 'unknown' as const,
    );
    if (state === 'running' || state === 'terminating') return;
    if (state === 'ended') this.ended(end);
    else this.#suspended(end);
  }

  /** Repeats until nothing is found: a login may have committed between the listing and the fence against it. */
  async #revokeHoldings(end: PodEnd): Promise<void> {
    const { store } = this.#parts;
    const live = LEASES.liveOfPod(end.cluster, end.uid);
    for (let isFenced = false; ; isFenced = true) {
      const leases: Lease[] = [];
      for await (const row of listAll(store, live)) leases.push(openLease(row));
      const sessions = await this.#sessions(end);
      if (isFenced && sessions.length === 0 && leases.length === 0) return;
      const ended = endLeases(this.#parts, leases, 'pod_ended');
      await store.commit({
        expect: [...presences(sessions), ...ended.expect],
        writes: [...removeSessions(this.#parts, sessions), ...ended.writes],
        invalidates: [
          podFence(end),
          ...sessions.map((id) => `session:${id}`),
          ...ended.invalidates,
        ],
        urgent: true,
        entries: this.#entries(end, sessions, leases),
      });
    }
  }

  async #endCluster(cluster: string, uid: string): Promise<void> {
    for (;;) {
      const rows = await this.#parts.store.list(SESSIONS.ofRegistration(cluster, uid), {
        limit: CHUNK,
      });
      if (rows.length === 0) return;
      const { ids, leases, ...ended } = await endSomeSessions(this.#parts, rows);
      await this.#parts.store.commit({
        ...ended,
        urgent: true,
        entries: [
          ...ids.map((session) =>
            this.#actor.entry({
              action: 'session.end',
              outcome: 'ok',
              session,
              cause: 'cluster_gone',
            }),
          ),
          ...leases.map((lease) =>
            this.#actor.entry({
              action: 'lease.revoke',
              outcome: 'ok',
              ...facts(lease),
              cause: 'cluster_gone',
            }),
          ),
        ],
      });
    }
  }

  async #suspend(end: PodEnd): Promise<void> {
    const sessions = await this.#sessions(end);
    if (sessions.length === 0) return;
    const { status } = await this.#parts.store.commit({
      expect: presences(sessions),
      writes: removeSessions(this.#parts, sessions, 'keep'),
      invalidates: [podFence(end), ...sessions.map((id) => `session:${id}`)],
      urgent: true,
      entries: [
        this.#actor.entry({
          action: 'pod.end',
          outcome: 'ok',
          pod: pod(end),
          cause: 'suspended',
          count: 0,
        }),
        ...sessions.map((session) =>
          this.#actor.entry({ action: 'session.end', outcome: 'ok', session, cause: 'suspended' }),
        ),
      ],
    });
    if (status !== 'committed') await this.#suspend(end);
  }

  async #sessions(end: PodEnd): Promise<readonly string[]> {
    const ids: string[] = [];
    const own = SESSIONS.ofPod(end.cluster, end.uid);
    for await (const { id } of listAll(this.#parts.store, own)) ids.push(id);
    return ids;
  }

  #entries(end: PodEnd, sessions: readonly string[], leases: readonly Lease[]): readonly string[] {
    if (sessions.length === 0 && leases.length === 0) return [];
    return [
      this.#actor.entry({
        action: 'pod.end',
        outcome: 'ok',
        pod: pod(end),
        cause: end.reason,
        count: leases.length,
      }),
      ...sessions.map((session) =>
        this.#actor.entry({ action: 'session.end', outcome: 'ok', session, cause: 'pod_ended' }),
      ),
      ...leases.map((lease) =>
        this.#actor.entry({
          action: 'lease.revoke',
          outcome: 'ok',
          ...facts(lease),
          cause: 'pod_ended',
        }),
      ),
    ];
  }
}

function pod({ cluster, namespace, name, uid }: PodEnd): {
  readonly cluster: string;
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
} {
  return { cluster, namespace, name, uid };
}

function vanished(row: Tables['sessions']): PodEnd {
  const { cluster, namespace, pod_uid: uid } = row;
  const { pod: named } = JSON.parse(row.body) as Workload;
  return { cluster, namespace, name: named?.name ?? '', uid: uid ?? '', reason: 'deleted' };
}

function podFence({ cluster, uid }: PodEnd): string {
  return `pod:${cluster}/${uid}`;
}

function presences(sessions: readonly string[]): readonly Expectation[] {
  return sessions.map((id) => ({ table: 'sessions', key: { id }, match: { id } }));
}
