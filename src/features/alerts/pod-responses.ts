import { setImmediate as loopTurn } from 'node:timers/promises';
import { sha256Hex } from '../../crypto/hashes/digest.ts';
import type { Alert } from '../../domain/alerts/alert.ts';
import type { PodFacts, PodWatch } from '../../ports/pod-watch.ts';
import { LEASES, SESSIONS, allRows } from '../../ports/queries.ts';
import type { Query } from '../../ports/store.ts';
import { listAll } from '../../broker/kernel/list-all.ts';
import type { Alerting } from './alerting.ts';
import type { Access, Recording, Work } from '../../broker/state/dependencies.ts';
import { factsOf } from '../../broker/state/select-sessions.ts';
import { Worker } from '../../broker/kernel/worker.ts';
import { POSTURE, type AlertRecord } from './alert-record.ts';
import type { Enforcement, Enforcing, ExaminedPod, Violation } from './enforcement.ts';
import { subjectOf } from './pod-index.ts';
import { raiseAlert } from './receive-alerts.ts';

type Parts = Recording & Access & Alerting & Pick<Work, 'log'>;

/** The source of alerts about pods with the label of `alerts.podLabel`. */
const POD_LABEL = 'pod-label';
const EVERY_MS = 500;
/**
 * Shortest interval between examinations of all pods with sessions, and of the pods of changed namespaces: a scanner that reports
 * hundreds of images, or a team that keeps changing its NetworkPolicies, must not cost as many rounds.
 */
const ALL_EVERY_MS = 5_000;
/** Evaluations before other requests are answered: a pod of five containers takes up to a millisecond. */
const SLICE = 4;
/** Changed pods that are looked up before other requests are answered. */
const PODS_A_TURN = 32;

type Response = AlertRecord['response'];

const NOTHING_ENFORCED: Enforcement = {
  isAny: false,
  basis: () => [],
  inputs: () => [],
  findOutdated: () => Promise.resolve({ pods: [], validUntil: Infinity, isOver: false }),
  forget: () => undefined,
  judge: () => ({ violations: [], validUntil: Infinity }),
};

/**
 * Examines pods when they, their namespace or the evidence about their images change, and when an exception ends. Examines all pods
 * with sessions when the first profile is enforced. It raises an alert for a pod that holds leases and does not meet an enforced profile any more, and
 * for a pod with the quarantine label.
 */
export function podResponseWorker(parts: Parts & Enforcing): Worker {
  const responses = new PodResponses(parts, parts.enforcement ?? NOTHING_ENFORCED);
  return new Worker('pod-responses', EVERY_MS, parts, (signal) => responses.round(signal));
}

class PodResponses {
  readonly #parts: Parts;
  readonly #enforcement: Enforcement;
  /** Facts on which the last complete examination depended. */
  #basis: readonly unknown[] = [];
  /** Facts on which the last examination of outdated verdicts depended. */
  #inputs: readonly unknown[] = [];
  #examinedAt = -Infinity;
  #namespacesAt = -Infinity;
  /** Time at which an exception ends, or a report becomes too old. */
  #validUntil = Infinity;
  #evaluated = 0;
  #remembered = 0;

  constructor(parts: Parts, enforcement: Enforcement) {
    this.#parts = parts;
    this.#enforcement = enforcement;
  }

  async round(signal: AbortSignal): Promise<void> {
    const { changedPods } = this.#parts;
    const { pods, isOver } = changedPods.take();
    if (isOver) this.#basis = [];
    for (const pod of pods) {
      if (signal.aborted) return;
      await this.#examine(pod).catch((error: unknown) => {
        changedPods.changed(pod);
        this.#parts.log.error(
          { err: error, pod: pod.uid },
          'could not examine a changed pod; retrying',
        );
      });
    }
    await this.#examineNamespaces(signal);
    await this.#examineAll(signal);
  }

  async #examineNamespaces(signal: AbortSignal): Promise<void> {
    const { changedPods, clock, log } = this.#parts;
    const now = clock.now();
    if (now < this.#namespacesAt + ALL_EVERY_MS) return;
    const changed = changedPods.takeNamespaces();
    if (changed.length > 0) this.#namespacesAt = now;
    for (const each of changed) {
      const { cluster, namespace } = each;
      const ofNamespace = SESSIONS.matching(cluster, namespace, undefined, undefined, undefined);
      await this.#examineHolders(ofNamespace, signal).catch((error: unknown) => {
        changedPods.changedNamespace(each);
        log.error(
          { err: error, cluster, namespace },
          'could not examine the pods of a changed namespace; retrying',
        );
      });
    }
  }

  async #examineAll(signal: AbortSignal): Promise<void> {
    const now = this.#parts.clock.now();
    if (now < this.#examinedAt + ALL_EVERY_MS) return;
    const basis = [this.#parts.alertSources.podLabel, ...this.#enforcement.basis()];
    const inputs = this.#enforcement.inputs();
    const isSame = isEqual(basis, this.#basis);
    if (isSame && isEqual(inputs, this.#inputs) && now < this.#validUntil) return;
    this.#examinedAt = now;
    this.#validUntil = Infinity;
    const isOver = isSame && (await this.#examineOutdated(signal));
    if (!isSame || isOver) await this.#examineHolders(allRows('sessions'), signal);
    // Both are saved only now, so that a failed round is repeated.
    this.#basis = basis;
    this.#inputs = inputs;
  }

  /** @returns true if there are further pods, which are not known */
  async #examineOutdated(signal: AbortSignal): Promise<boolean> {
    const { pods, validUntil, isOver } = await this.#enforcement.findOutdated();
    this.#validUntil = validUntil;
    for (const pod of pods) {
      if (signal.aborted) break;
      await this.#examine(pod);
    }
    return isOver;
  }

  /** Examines the pods of sessions, each once. */
  async #examineHolders(sessions: Query<'sessions'>, signal: AbortSignal): Promise<void> {
    const seen = new Set<string>();
    for await (const row of listAll(this.#parts.store, sessions)) {
      const { cluster, namespace, pod_uid: uid } = row;
      if (signal.aborted) return;
      if (uid === null || seen.has(`${cluster}/${uid}`)) continue;
      seen.add(`${cluster}/${uid}`);
      await this.#examine({ cluster, namespace, name: factsOf(row).pod?.name ?? '', uid });
    }
  }

  async #examine(pod: ExaminedPod): Promise<void> {
    const { clusters, alertSources } = this.#parts;
    const watch = clusters.watch(pod.cluster);
    const facts = watch?.status() === 'live' ? watch.find(pod.uid) : undefined;
    // Without a live watch, reads and renewals are refused, and the broker revokes nothing.
    if (facts?.manifest === undefined || facts.state === 'ended') {
      if (watch?.status() === 'live') this.#enforcement.forget(pod);
      return;
    }
    const { podLabel } = alertSources;
    const label = podLabel === undefined ? undefined : facts.labels.get(podLabel);
    if (label !== undefined) await this.#raiseForLabel(pod, label);
    await this.#remember(pod, watch, facts);
    await this.#judge(pod, facts);
  }

  /** Stores the images and containers of a pod that has a session. A restarted container has another id. */
  async #remember(pod: ExaminedPod, watch: PodWatch | undefined, facts: PodFacts): Promise<void> {
    const { store, seenPods } = this.#parts;
    this.#remembered += 1;
    if (this.#remembered % PODS_A_TURN === 0) await loopTurn();
    const [session] = await store.list(SESSIONS.ofPod(pod.cluster, pod.uid), { limit: 1 });
    if (session === undefined || watch === undefined) return;
    const { workload } = subjectOf(watch, pod.cluster, { ...pod, createdAt: undefined });
    const sighting = workload && seenPods.of({ ...pod, workload }, facts);
    if (!sighting || sighting.writes.length === 0) return;
    await store.commit({ writes: sighting.writes });
    sighting.committed();
  }

  async #judge(pod: ExaminedPod, facts: PodFacts): Promise<void> {
    if (!this.#enforcement.isAny) return;
    // Most pods of a cluster hold nothing of the broker.
    const [held] = await this.#parts.store.list(LEASES.liveOfPod(pod.cluster, pod.uid), {
      limit: 1,
    });
    if (held === undefined) {
      this.#enforcement.forget(pod);
      return;
    }
    this.#evaluated += 1;
    if (this.#evaluated % SLICE === 0) await loopTurn();
    const { violations, validUntil } = this.#enforcement.judge(pod, facts);
    this.#validUntil = Math.min(this.#validUntil, validUntil);
    for (const violation of violations) await this.#raiseForViolation(pod, violation);
  }

  /** Raises an alert for a label. The same label on the same pod counts once, so that an operator can lift the quarantine. */
  async #raiseForLabel(pod: ExaminedPod, label: string): Promise<void> {
    const response = { action: 'quarantine', scope: 'pod', rotate: 'none' } as const;
    const about = { source: POD_LABEL, rule: label, tags: [], instance: '' };
    await this.#raise(pod, about, response);
  }

  /** Raises one alert for a session of the pod and its findings, with the same id from all replicas. */
  async #raiseForViolation(pod: ExaminedPod, violation: Violation): Promise<void> {
    const session = await this.#findHolder(pod, violation);
    if (session === undefined) return;
    const { profile: rule, codes: tags, response } = violation;
    const action = response === 'denyRenewal' ? 'audit' : response;
    const about = { source: POSTURE, rule, tags, instance: session };
    await this.#raise(pod, about, { action, scope: 'pod', rotate: 'none' });
  }

  /** The oldest session of the pod with a live lease on a secret of the profile. */
  async #findHolder(
    { cluster, uid }: ExaminedPod,
    violation: Violation,
  ): Promise<string | undefined> {
    for await (const lease of listAll(this.#parts.store, LEASES.liveOfPod(cluster, uid))) {
      if (violation.covers(lease.path)) return lease.session_id;
    }
    return undefined;
  }

  async #raise(
    pod: ExaminedPod,
    about: Pick<Alert, 'rule' | 'tags' | 'instance'> & { readonly source: string },
    otherwise: Response,
  ): Promise<void> {
    const { cluster, namespace, name, uid } = pod;
    const watch = this.#parts.clusters.watch(cluster);
    if (watch === undefined) return;
    const { source, ...named } = about;
    const id = `alr_${sha256Hex(JSON.stringify([about, cluster, uid])).slice(0, 32)}`;
    const alert: Alert = {
      ...named,
      priority: 'warning',
      time: this.#parts.clock.now(),
      node: undefined,
      isTest: false,
      container: { id: undefined, imageDigest: undefined },
      pod: { namespace, name, uid },
    };
    const subject = subjectOf(watch, cluster, { uid, namespace, name, createdAt: undefined });
    await raiseAlert(this.#parts, { id, source, cluster, alert, subject, otherwise });
  }
}

function isEqual(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.length === b.length && a.every((each, at) => each === b[at]);
}
