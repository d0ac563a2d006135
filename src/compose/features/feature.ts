import type { Routes } from '../../api/request/route.ts';
import type { Worker } from '../../broker/kernel/worker.ts';
import type { AuthenticatedRows } from '../../broker/kernel/row-macs.ts';
import type { Consents } from '../../broker/recording/consent.ts';
import type { Decoys } from '../../broker/recording/decoys.ts';
import type { Sightings } from '../../broker/recording/sightings.ts';
import type { DocumentView } from '../../broker/state/catalog.ts';
import type { Fitness } from '../../broker/state/fitness.ts';
import type { Follower } from '../../broker/state/followers.ts';
import type { Elevations } from '../../broker/state/operator-token-memory.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Log } from '../../ports/log.ts';
import type { Metric } from '../../ports/metrics.ts';
import type { Store } from '../../ports/store.ts';
import type { OpenedStore } from '../../store/index.ts';
import type { ClusterRegistry, ClusterFollower } from '../../program/clusters/cluster-registry.ts';
import type { Config } from '../../program/config/schema.ts';
import type { Reloadable } from '../../program/broker/config-reload.ts';
import type { OpenedConnections } from '../../program/connections/connections.ts';
import type { InstallationKeys } from '../../broker/keys/installation-keys.ts';
import type { AuditTrail, BootLog } from '../../program/log/audit-trail.ts';
import type { CoreParts, OptionParts, Parts } from '../parts.ts';

/** Everything that exists before the memory of the broker is loaded. */
export interface OptionDeps extends AuthenticatedRows {
  readonly config: Config;
  readonly store: Store;
  /** The store below the checks that a held store makes. */
  readonly opened: OpenedStore;
  /** True if the store is held: the broker then serves nothing but its own release. */
  readonly isHeld: boolean;
  readonly keys: InstallationKeys;
  readonly bootLog: BootLog;
  readonly trail: AuditTrail;
  readonly clock: Clock;
  readonly log: Log;
  readonly clusters: ClusterRegistry;
  readonly connections: OpenedConnections;
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
  readonly parts?: Partial<OptionParts>;
  readonly ports?: Partial<Ports>;
  readonly views?: readonly DocumentView[];
  readonly followers?: readonly Follower[];
  readonly reloadable?: readonly Reloadable[];
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

  static async open(options: readonly Option[], deps: OptionDeps): Promise<Features> {
    const all: Feature[] = [];
    for (const option of options) all.push(await option.open(deps));
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

  get reloadable(): readonly Reloadable[] {
    return this.#all.flatMap(({ reloadable = [] }) => reloadable);
  }

  /** Adds the parts of all features. Those of an absent option are missing, and so are its operations. */
  withParts(core: CoreParts): Parts {
    let all: CoreParts & Partial<OptionParts> = core;
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
