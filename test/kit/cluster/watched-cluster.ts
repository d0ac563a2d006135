import { createPodWatch } from '../../../src/auth/index.ts';
import type { ChangedPod, PodEnd, PodWatch, SavedPods } from '../../../src/ports/pod-watch.ts';
import { connectKubernetes } from '../../../src/providers/kubernetes/client/client.ts';
import { until } from '../backends/until.ts';
import { FakeApiServer } from '../fakes/fake-api-server.ts';
import type { FakePod } from '../fakes/fake-pods.ts';
import { HandClock } from '../time/hand-clock.ts';
import { warningsLog } from '../fakes/warnings-log.ts';

/** The clock of a process that may be suspended: time advances, but timers do not run. */
class SuspendableClock extends HandClock {
  #suspendedMs = 0;

  override monotonic(): number {
    return super.monotonic() + this.#suspendedMs;
  }

  suspend(ms: number): void {
    this.#suspendedMs += ms;
  }
}

/** A watch of a scripted API server, and all its reports. */
export interface WatchedCluster {
  readonly fake: FakeApiServer;
  readonly clock: SuspendableClock;
  readonly watch: PodWatch;
  readonly ends: PodEnd[];
  readonly massLosses: (readonly PodEnd[])[];
  readonly statuses: string[];
  readonly changes: ChangedPod[];
  readonly log: unknown[];
  /** Lists `<name> <reason>` of each end, in order. */
  reasons(): readonly string[];
  close(): Promise<void>;
}

export interface WatchedOptions {
  readonly prepare?: (fake: FakeApiServer) => void;
  readonly onEnd?: (end: PodEnd) => void;
  /** The pods that an earlier process saved, once the time of the clock is known. */
  readonly saved?: (now: number) => SavedPods;
}

export async function watchedCluster(options: WatchedOptions = {}): Promise<WatchedCluster> {
  const fake = await FakeApiServer.start();
  options.prepare?.(fake);
  const api = await connectKubernetes(fake.access);
  const clock = new SuspendableClock(Date.now());
  const ends: PodEnd[] = [];
  const massLosses: (readonly PodEnd[])[] = [];
  const statuses: string[] = [];
  const changes: ChangedPod[] = [];
  const log: unknown[] = [];
  const events = {
    onEnd: (end: PodEnd): void => {
      ends.push(end);
      options.onEnd?.(end);
    },
    onChange: (pod: ChangedPod): void => void changes.push(pod),
    onMassLoss: (lost: readonly PodEnd[]): void => void massLosses.push(lost),
    onStatus: (status: string): void => void statuses.push(status),
  };
  const watch = createPodWatch('east', events, {
    api,
    clock,
    random: () => 0.5,
    goodFor: { factsMs: 120_000, labelsMs: 240_000 },
    saved: options.saved?.(clock.now()),
    log: warningsLog((fields) => void log.push(fields)),
  });
  return {
    fake,
    clock,
    watch,
    ends,
    massLosses,
    statuses,
    changes,
    log,
    reasons: () => ends.map(({ name, reason }) => `${name} ${reason}`),
    async close() {
      await watch.close();
      api.close();
      await fake.close();
    },
  };
}

export function createPods(fake: FakeApiServer, count: number): readonly FakePod[] {
  return Array.from({ length: count }, (_, index) =>
    fake.pods.create({
      namespace: 'prod',
      name: `pod-${index}`,
      serviceAccount: 'api',
      labels: { app: 'api' },
    }),
  );
}

/** Waits until `condition` holds, while only the network takes time. */
export function eventually(what: string, condition: () => boolean): Promise<void> {
  return until(what, () => Promise.resolve(condition()));
}

/** Waits until a watch is open and has received all events. */
export async function untilWatching({ fake, watch }: WatchedCluster): Promise<void> {
  await eventually('a watch is open', () => watch.status() === 'live' && fake.watches.size > 0);
}
