import type { Routes } from '../api/request/route.ts';
import { taskQueue } from '../broker/kernel/task-thread.ts';
import type { Worker } from '../broker/kernel/worker.ts';
import type { AuthenticatedRows } from '../broker/kernel/row-macs.ts';
import type { Consents } from '../broker/recording/consent.ts';
import type { Decoys } from '../broker/recording/decoys.ts';
import type { Sightings } from '../broker/recording/sightings.ts';
import type { DocumentView } from '../broker/state/catalog.ts';
import type { Fitness } from '../broker/state/fitness.ts';
import type { Follower } from '../broker/state/followers.ts';
import type { Elevations } from '../broker/state/operator-token-memory.ts';
import type { Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';
import type { Metric } from '../ports/metrics.ts';
import type { Store } from '../ports/store.ts';
import type { OpenedStore } from '../store/index.ts';
import type { LogIdentity } from '../audit/records/log-identity.ts';
import type { LogReader } from '../audit/log/log-reader.ts';
import type { AuditConfig } from '../audit/base/config.ts';
import type { Archiver } from '../audit/upkeep/archiver.ts';
import type { NamedConnection } from '../auth/index.ts';
import type { StoreConfig } from '../store/config.ts';
import type { RowGuard } from '../store/guard/row-guard.ts';
import type { CoreServedParts, ServedParts } from '../api/request/request-deps.ts';
import type { InstallationKeys } from '../broker/keys/installation-keys.ts';
import type { Clusters, Work } from '../broker/state/dependencies.ts';
import type { Reloadable } from '../ports/configuration.ts';
import type { FairBulkhead } from '../ports/fair-bulkhead.ts';
import type { ChangedPod } from '../ports/pod-watch.ts';
import type { PostureProfile } from '../domain/posture/profile.ts';

/** Dependencies of the use cases that every broker has. */
export type CoreParts = CoreServedParts & Work;

/** Dependencies of all use cases. Only the program knows all of them: each use case names the groups that it needs. */
export type Parts = ServedParts & Work;

/** The settings that options read. An option adds its own by a declaration in its `feature.ts`. */
export interface OptionSettings {
  readonly mode: 'development' | 'production';
  readonly store: StoreConfig;
  readonly audit: AuditConfig;
}

/** The log of this broker, as far as options use it. */
export interface OwnLog {
  /** Name of this process in claims. */
  readonly owner: string;
  /** Undefined if the configuration has no archive. */
  readonly archiver: Archiver | undefined;
  readonly reader: Pick<LogReader, 'truncation'>;
}

/** A part of the broker that follows what the watches of clusters report. */
export interface ClusterFollower {
  /** Profiles, which decide what is watched besides pods. */
  readonly profiles?: { readonly all: readonly PostureProfile[] };
  /** Takes reports of scanners. */
  readonly reports?: { take(cluster: string, object: unknown): Promise<void> };
  /** Notices changed pods and namespaces. */
  readonly changedPods?: {
    changed(pod: ChangedPod): void;
    changedNamespace(changed: { readonly cluster: string; readonly namespace: string }): void;
    /** All pods may have changed. */
    changedAll(): void;
  };
}

/** Everything that exists before the memory of the broker is loaded. */
export interface OptionDeps extends AuthenticatedRows {
  readonly config: OptionSettings;
  readonly store: Store;
  /** The store below the checks that a held store makes. */
  readonly opened: OpenedStore;
  /** True if the store is held: the broker then serves nothing but its own release. */
  readonly isHeld: boolean;
  readonly keys: InstallationKeys;
  readonly trail: OwnLog;
  readonly identity: LogIdentity;
  /** Creates a guard for the rows of a copy of the store. */
  readonly createGuard: () => RowGuard;
  readonly clock: Clock;
  readonly log: Log;
  readonly clusters: Clusters;
  /** The clusters' sides of the connections, by name. */
  readonly connections: ReadonlyMap<string, NamedConnection>;
  /** Queue of heavy work on hostile input: one task at a time for all options. */
  readonly tasks: FairBulkhead;
  /** Parts of the options before this one in the list. */
  readonly earlier: Partial<Parts>;
}

/** The questions that the core asks options. Each has an answer for a broker without the option. */
export interface Ports {
  readonly fitness: Fitness;
  readonly consents: Consents;
  readonly decoys: Decoys;
  readonly sightings: Sightings;
  readonly elevations: Elevations;
}

export type Background = Pick<Worker, 'start' | 'stop'>;

/** The additions of an option to a broker. */
export interface Feature {
  /** Parts of its own operations. */
  readonly parts?: Partial<Parts>;
  readonly ports?: Partial<Ports>;
  readonly views?: readonly DocumentView[];
  readonly followers?: readonly Follower[];
  readonly reloadable?: readonly Reloadable<OptionSettings>[];
  /** Follows what the watches of clusters report. Not called for a held store, as all functions below. */
  readonly watching?: (parts: Parts) => ClusterFollower;
  readonly workers?: (parts: Parts) => readonly Background[] | Promise<readonly Background[]>;
  /** Runs before the broker serves requests. A failure stops the start. */
  readonly beforeServing?: (parts: Parts) => Promise<void>;
  /** Codes of problems that an operator should fix. */
  readonly warnings?: () => readonly string[];
  readonly stop?: () => Promise<void>;
}

/** A subject that a broker can be built without. */
export interface Option {
  /** Routes that only this option serves. */
  readonly routes: Partial<Routes>;
  readonly open: (deps: OptionDeps) => Feature | Promise<Feature>;
  readonly metrics?: (parts: Parts) => readonly Metric[];
}

/** The features of a broker, in the order of the list of options. */
export class Features {
  readonly #all: readonly Feature[];

  private constructor(all: readonly Feature[]) {
    this.#all = all;
  }

  static async open(
    options: readonly Option[],
    deps: Omit<OptionDeps, 'tasks' | 'earlier'>,
  ): Promise<Features> {
    const all: Feature[] = [];
    const tasks = taskQueue();
    let earlier: Partial<Parts> = {};
    for (const option of options) {
      const feature = await option.open({ ...deps, tasks, earlier });
      all.push(feature);
      earlier = { ...earlier, ...feature.parts };
    }
    return new Features(all);
  }

  /** Each port is that of the feature that has it, otherwise `absent`. */
  ports<P extends Partial<Ports>>(absent: P): P {
    return Object.assign({}, absent, ...this.#all.map(({ ports }) => ports)) as P;
  }

  get views(): readonly DocumentView[] {
    return this.#all.flatMap(({ views = [] }) => views);
  }

  get followers(): readonly Follower[] {
    return this.#all.flatMap(({ followers = [] }) => followers);
  }

  get reloadable(): readonly Reloadable<OptionSettings>[] {
    return this.#all.flatMap(({ reloadable = [] }) => reloadable);
  }

  /** Adds the parts of all features. Those of an absent option are missing, and so are its operations. */
  withParts(core: CoreParts): Parts {
    let all: CoreParts & Partial<Parts> = core;
    // Object.assign would make it a dictionary in V8, and every request reads its members (measured: about 4 % of a read).
    for (const { parts } of this.#all) all = { ...all, ...parts };
    return all as Parts;
  }

  watching(parts: Parts): readonly ClusterFollower[] {
    return this.#all.flatMap(({ watching }) => watching?.(parts) ?? []);
  }

  async workers(parts: Parts): Promise<readonly Background[]> {
    const all = await Promise.all(this.#all.map(async ({ workers }) => workers?.(parts) ?? []));
    return all.flat();
  }

  async beforeServing(parts: Parts): Promise<void> {
    for (const each of this.#all) await each.beforeServing?.(parts);
  }

  warnings(): readonly string[] {
    return this.#all.flatMap(({ warnings }) => warnings?.() ?? []);
  }

  async stop(): Promise<void> {
    await Promise.all(this.#all.map(async (each) => each.stop?.()));
  }
}
