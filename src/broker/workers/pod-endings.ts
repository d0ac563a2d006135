import type { PodEnd } from '../../ports/pod-watch.ts';
import type { Lease } from '../../domain/lease.ts';
import type { Write } from '../../ports/store.ts';
import { endLeases } from '../end-leases.ts';
import type { Parts } from '../parts.ts';
import { SystemActor } from '../record.ts';
import { openLease } from '../state/lease-rows.ts';
import { facts } from './expiry.ts';

const MOST = 100_000;
const RETRY_MS = 1_000;

/** Takes back all that a pod held, the moment the watch says that it is over; goes on trying while the store fails. */
export class PodEndings {
  readonly #parts: Parts;
  readonly #actor: SystemActor;
  readonly #under = new Set<Promise<void>>();
  #stopped = false;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#actor = new SystemActor(parts, 'pod-watch');
  }

  ended(end: PodEnd): void {
    this.#track(this.#untilDone(end, () => this.#takeBack(end)));
  }

  /** The watch lost many pods at once: their sessions end, which a login undoes; their leases wait for an operator or their time. */
  lost(ends: readonly PodEnd[]): void {
    this.#parts.log.error(
      { pods: ends.length, cluster: ends[0]?.cluster },
      'the watch lost many pods at once: their sessions are suspended; revoke their leases by pod if they are gone',
    );
    for (const end of ends) this.#track(this.#untilDone(end, () => this.#suspend(end)));
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#under);
  }

  #track(work: Promise<void>): void {
    this.#under.add(work);
    void work.finally(() => this.#under.delete(work));
  }

  async #untilDone(end: PodEnd, work: () => Promise<void>): Promise<void> {
    while (!this.#stopped) {
      try {
        await work();
        return;
      } catch (error) {
        this.#parts.log.error({ err: error, pod: end.uid }, 'what a pod held could not be taken back yet');
        await this.#parts.clock.sleep(RETRY_MS);
      }
    }
  }

  async #takeBack(end: PodEnd): Promise<void> {
    const { store } = this.#parts;
    const held = { cluster: end.cluster, pod_uid: end.uid };
    const rows = await store.list('leases', { equals: { ...held, state: 'live' }, limit: MOST });
    const leases = rows.map(openLease);
    const sessions = await this.#sessions(end);
    const ended = endLeases(this.#parts, leases, 'pod_ended');
    await store.commit({
      writes: [...removals(sessions), ...ended.writes],
      narrows: [podFence(end), ...sessions.map((id) => `session:${id}`), ...ended.narrows],
      urgent: true,
      entries: this.#entries(end, sessions, leases),
    });
  }

  async #suspend(end: PodEnd): Promise<void> {
    const sessions = await this.#sessions(end);
    await this.#parts.store.commit({
      writes: removals(sessions),
      narrows: [podFence(end), ...sessions.map((id) => `session:${id}`)],
      urgent: true,
      entries: [
        this.#actor.entry({ action: 'pod.end', outcome: 'ok', pod: pod(end), cause: 'suspended', count: 0 }),
        ...sessions.map((session) =>
          this.#actor.entry({ action: 'session.end', outcome: 'ok', session, cause: 'suspended' }),
        ),
      ],
    });
  }

  async #sessions(end: PodEnd): Promise<readonly string[]> {
    const equals = { cluster: end.cluster, pod_uid: end.uid };
    const rows = await this.#parts.store.list('sessions', { equals, limit: MOST });
    return rows.map(({ id }) => id);
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
        this.#actor.entry({ action: 'lease.revoke', outcome: 'ok', ...facts(lease), cause: 'pod_ended' }),
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

function podFence({ cluster, uid }: PodEnd): string {
  return `pod:${cluster}/${uid}`;
}

function removals(sessions: readonly string[]): readonly Write[] {
  return sessions.map((id): Write => ({ table: 'sessions', remove: { id } }));
}
