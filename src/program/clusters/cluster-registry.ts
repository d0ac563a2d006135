import {
  createAuthenticator,
  createPodWatch,
  NamespaceWatch,
  ReportWatch,
  noPodWatch,
  probeCluster,
  type ClusterConnection,
  type NamedConnection,
} from '../../auth/index.ts';
import { BrokerError } from '../../domain/errors.ts';
import type { ClusterSpec } from '../../domain/identity/cluster.ts';
import { didYouMean } from '../../domain/words/schema-words.ts';
import type { ClusterFollower } from '../../features/feature.ts';
import type { Clusters } from '../../broker/state/dependencies.ts';
import type { DocumentKind } from '../../broker/model/kinds.ts';
import type { Catalog } from '../../broker/state/catalog.ts';
import type { StoredDocument } from '../../broker/model/document.ts';
import type { PodEndings } from '../../broker/sessions/pod-endings.ts';
import { checkCluster } from '../../auth/check-cluster.ts';
import type { Clock } from '../../ports/clock.ts';
import type { WatchDown } from '../../ports/broker-status.ts';
import { clusterLog, type ClusterLog, type Log } from '../../ports/log.ts';
import {
  isForCluster,
  needsNamespaceLabels,
  type PostureProfile,
} from '../../domain/posture/profile.ts';
import type {
  GoodFor,
  NamespaceFacts,
  PodWatch,
  SavedPods,
  WatchStatus,
} from '../../ports/pod-watch.ts';
import type { CheckReport } from '../../ports/secret-provider.ts';
import type { WorkloadAuthenticator } from '../../ports/workload-authenticator.ts';
import type { EnrolledConnections } from './enrolled-connections.ts';
import { inBrokerTime } from './in-broker-time.ts';
import { namingFailures } from './naming-failures.ts';
import type { SavedCluster } from './saved-pods.ts';

interface RegisteredCluster {
  /** Monotonic time in milliseconds. */
  readonly openedAt: number;
  readonly spec: ClusterSpec;
  readonly uid: string;
  readonly version: number;
  readonly generation: string;
  readonly connection: ClusterConnection;
  readonly authenticator: WorkloadAuthenticator;
  readonly watch: PodWatch;
  /** Watch of namespaces; undefined without a pod watch. */
  readonly namespaces: NamespaceWatch | undefined;
  /** Watch of reports; undefined unless the cluster's document asks for it. */
  readonly reports: ReportWatch | undefined;
}

/** Time within which a watch usually starts. */
const STARTED_MS = 60_000;
const MOST_DOWN = 100;

type Documents = Pick<Catalog, 'all' | 'find'>;

interface RegistryDeps {
  readonly connections: ReadonlyMap<string, NamedConnection>;
  /** The API servers of clusters that enrolled. */
  readonly enrolled: EnrolledConnections;
  readonly clock: Clock;
  readonly log: Log;
  readonly random: () => number;
  readonly pods: ReadonlyMap<string, PodWatch> | undefined;
}

/** The active clusters. A cluster is created with its document, replaced when the document changes, and closed when it is deleted. */
export class ClusterRegistry implements Clusters {
  readonly #deps: RegistryDeps;
  readonly #registered = new Map<string, RegisteredCluster>();
  #endings: PodEndings | undefined;
  #followers: readonly ClusterFollower[] = [];
  #profiles: readonly PostureProfile[] = [];
  #saved: ReadonlyMap<string, SavedPods> = new Map();

  constructor(deps: RegistryDeps) {
    this.#deps = deps;
  }

  /**
   * Connects the watches to the parts that react to their changes. Before this call the registry serves no cluster. `saved`: the pods that an earlier process
   * saved, by cluster.
   */
  start(
    endings: PodEndings,
    followers: readonly ClusterFollower[],
    catalog: Documents,
    saved: ReadonlyMap<string, SavedPods> = new Map(),
  ): void {
    this.#endings = endings;
    this.#followers = followers;
    this.#follow();
    this.#saved = saved;
    for (const cluster of catalog.all('cluster')) this.#apply(cluster.name, cluster);
    // A watch that is opened later follows one of this process.
    this.#saved = new Map();
    void this.#endOrphaned(endings);
  }

  changed(kind: DocumentKind, name: string, catalog: Documents): void {
    if (kind === 'cluster') this.#apply(name, catalog.find('cluster', name));
    if (kind === 'posture-profile') this.#follow();
  }

  /** Updates one cluster to match its document and its connection; undefined means that the document was deleted. */
  #apply(name: string, document: StoredDocument<'cluster'> | undefined): void {
    const known = this.#registered.get(name);
    const generation = document === undefined ? '' : `${document.uid}.${document.version}`;
    const connection = document && this.#connectionOf(document);
    if (known?.generation === generation && known.connection === connection) return;
    if (known !== undefined) this.#close(name, known, document?.uid);
    if (document === undefined) {
      this.#deps.enrolled.close(name);
      return;
    }
    const { log } = this.#deps;
    const { connection: named } = document.spec;
    if (connection === undefined && this.#enrols(document)) {
      log.info(
        { cluster: name, connection: named },
        'a registered cluster has not enrolled, or its connection does not allow its host; its logins are refused',
      );
      return;
    }
    try {
      this.#registered.set(name, {
        openedAt: this.#deps.clock.monotonic(),
        spec: document.spec,
        uid: document.uid,
        version: document.version,
        generation,
        ...this.#open(name, document.spec, connection),
      });
    } catch (error) {
      log.error(
        { err: error, cluster: name, connection: named },
        'a registered cluster cannot be served; its logins are refused',
      );
    }
  }

  #enrols({ spec }: StoredDocument<'cluster'>): boolean {
    return this.#deps.connections.get(spec.connection)?.type === 'enrolled';
  }

  #connectionOf(document: StoredDocument<'cluster'>): ClusterConnection | undefined {
    const named = this.#deps.connections.get(document.spec.connection);
    return named?.type === 'enrolled' ? this.#deps.enrolled.find(document) : named;
  }

  /** Begins to watch the objects that profiles need, and stops what none needs any more. */
  #follow(): void {
    this.#profiles = this.#followers.flatMap(({ profiles }) => profiles?.all ?? []);
    for (const [name, { namespaces }] of this.#registered) this.#want(name, namespaces);
  }

  #want(name: string, namespaces: NamespaceWatch | undefined): void {
    const own = this.#profiles.filter((profile) => isForCluster(profile, name));
    namespaces?.want({
      labels: own.some(needsNamespaceLabels),
      networkPolicies: own.some(({ spec }) => spec.pod.networkPolicy === 'required'),
    });
  }

  /** Opens the clusters again whose connection was replaced. A held broker serves none. */
  reconnect(clusters: readonly StoredDocument<'cluster'>[]): void {
    if (this.#endings === undefined) return;
    for (const cluster of clusters) this.#apply(cluster.name, cluster);
  }

  /** Closes a cluster. `uid`: of the cluster that has the name now. */
  #close(name: string, known: RegisteredCluster, uid: string | undefined): void {
    this.#registered.delete(name);
    known.authenticator.close();
    void known.watch.close();
    void known.namespaces?.close();
    void known.reports?.close();
    if (known.uid !== uid) this.#endings?.clusterGone(name, known.uid);
  }

  /** The clusters whose pods a posture profile judges. */
  judged(): readonly SavedCluster[] {
    return [...this.#registered].flatMap(([cluster, { uid, version, watch }]) =>
      this.#profiles.some((profile) => isForCluster(profile, cluster))
        ? [{ registration: { cluster, uid, version }, watch }]
        : [],
    );
  }

  authenticator(name: string): WorkloadAuthenticator | undefined {
    return this.#registered.get(name)?.authenticator;
  }

  watch(name: string): PodWatch | undefined {
    return this.#registered.get(name)?.watch;
  }

  namespaces(name: string): NamespaceFacts | undefined {
    return this.#registered.get(name)?.namespaces;
  }

  check(name: string): Promise<CheckReport> | undefined {
    const known = this.#registered.get(name);
    if (known === undefined) return undefined;
    const { spec, connection } = known;
    const watched = this.resourceWatches().flatMap(([cluster, resource, status]) =>
      cluster === name && status !== 'off' ? [resource] : [],
    );
    return probeCluster({ name, spec, connection, watched, clock: this.#deps.clock });
  }

  problem(spec: ClusterSpec): string | undefined {
    const connection = this.#deps.connections.get(spec.connection);
    if (connection === undefined) return this.connectionProblem(spec.connection);
    try {
      checkCluster(spec, connection);
      return undefined;
    } catch (error) {
      return BrokerError.from(error)
        .problems?.map(({ pointer, message }) => `${pointer}: ${message}`)
        .join('; ');
    }
  }

  connectionProblem(name: string): string | undefined {
    const { connections } = this.#deps;
    if (connections.has(name)) return undefined;
    return `no kubernetes, jwks, spiffe or enrolled connection of this name in the configuration file: "${name}"${didYouMean(name, [...connections.keys()])}`;
  }

  /** The watch status of each cluster, for metrics and readiness. */
  watches(): ReadonlyMap<string, ReturnType<PodWatch['status']>> {
    return new Map([...this.#registered].map(([name, { watch }]) => [name, watch.status()]));
  }

  /** Cluster, resource and status of each further watch. */
  resourceWatches(): readonly (readonly [
    cluster: string,
    resource: string,
    status: WatchStatus,
  ])[] {
    return [...this.#registered].flatMap(([cluster, { namespaces, reports }]) =>
      [...(namespaces?.statuses() ?? []), ...(reports?.statuses() ?? [])].map(
        ([resource, status]) => [cluster, resource, status] as const,
      ),
    );
  }

  /** The watches that do not show now what happens in their cluster, without those of clusters that were registered within a minute. */
  watchesDown(): readonly WatchDown[] {
    const now = this.#deps.clock.monotonic();
    const all = [
      ...[...this.watches()].map(([cluster, status]) => [cluster, 'pods', status] as const),
      ...this.resourceWatches(),
    ];
    const down = all.flatMap(([cluster, resource, status]) => {
      const { openedAt = now, spec } = this.#registered.get(cluster) ?? {};
      const isDown = status === 'stale' || (status === 'starting' && now - openedAt >= STARTED_MS);
      return isDown ? [{ cluster, connection: spec?.connection ?? '', resource, status }] : [];
    });
    return down.slice(0, MOST_DOWN);
  }

  /** Codes of problems that an operator should fix. */
  warnings(): readonly string[] {
    return [
      ...(this.watchesDown().length > 0 ? ['cluster_watch_down'] : []),
      ...(this.#deps.enrolled.hasLateRenewal(this.#deps.clock.now())
        ? ['enrolment_not_renewed']
        : []),
    ];
  }

  async close(): Promise<void> {
    for (const { authenticator, watch, namespaces, reports } of this.#registered.values()) {
      authenticator.close();
      await Promise.all([watch.close(), namespaces?.close(), reports?.close()]);
    }
    this.#registered.clear();
  }

  #open(
    name: string,
    spec: ClusterSpec,
    connection: ClusterConnection | undefined,
  ): Pick<RegisteredCluster, 'connection' | 'authenticator' | 'watch' | 'namespaces' | 'reports'> {
    const { clock } = this.#deps;
    const log = this.#logOf(name, spec);
    if (connection === undefined)
      throw new BrokerError('ERR_CONFIG_INVALID', `no connection "${spec.connection}"`);
    const authenticator = namingFailures(
      inBrokerTime(clock, (stated) =>
        createAuthenticator({ name, spec }, connection, { clock: stated, log }),
      ),
      { cluster: name, connection: spec.connection },
    );
    const watch = this.#watch(name, spec, connection);
    return {
      connection,
      authenticator,
      watch,
      ...this.#furtherWatches(name, spec, connection),
    };
  }

  #logOf(cluster: string, { connection }: ClusterSpec): ClusterLog {
    return clusterLog(this.#deps.log, { cluster, connection });
  }

  #watch(name: string, spec: ClusterSpec, connection: ClusterConnection): PodWatch {
    const { clock, random, pods } = this.#deps;
    const log = this.#logOf(name, spec);
    if (connection.type !== 'kubernetes') return pods?.get(name) ?? noPodWatch(clock);
    if (spec.type !== 'kubernetes' || !spec.podWatch) return noPodWatch(clock, connection.api);
    const watch: PodWatch = createPodWatch(
      name,
      {
        onEnd: (end) => this.#endings?.ended(end),
        onMassLoss: (ends) => this.#endings?.lost(ends),
        onChange: (pod) => {
          for (const { changedPods } of this.#followers) changedPods?.changed(pod);
        },
        onStatus: (status) => {
          log.info({ status }, 'pod watch');
          if (status === 'live') void this.#reconcile(name);
        },
      },
      {
        api: connection.api,
        clock,
        random,
        log,
        goodFor: goodFor(spec),
        saved: this.#saved.get(name),
      },
    );
    return watch;
  }

  #furtherWatches(
    name: string,
    spec: ClusterSpec,
    connection: ClusterConnection,
  ): Pick<RegisteredCluster, 'namespaces' | 'reports'> {
    if (connection.type !== 'kubernetes' || spec.type !== 'kubernetes')
      return { namespaces: undefined, reports: undefined };
    const { clock, random } = this.#deps;
    const log = this.#logOf(name, spec);
    const dependencies = { api: connection.api, clock, random, log, goodFor: goodFor(spec) };
    const namespaces = spec.podWatch
      ? new NamespaceWatch(dependencies, (namespace) => {
          for (const { changedPods } of this.#followers) {
            if (namespace === undefined) changedPods?.changedAll();
            else changedPods?.changedNamespace({ cluster: name, namespace });
          }
        })
      : undefined;
    this.#want(name, namespaces);
    const takers = this.#followers.flatMap((each) => each.reports ?? []);
    const reports =
      spec.trivyReports && takers.length > 0
        ? new ReportWatch(async (object) => {
            for (const each of takers) await each.take(name, object);
          }, dependencies)
        : undefined;
    return { namespaces, reports };
  }

  async #endOrphaned(endings: PodEndings): Promise<void> {
    try {
      await endings.endOrphaned();
    } catch (error) {
      this.#deps.log.error({ err: error }, 'sessions could not be compared with the clusters');
    }
  }

  /** Processes pods that ended while no watch was running. */
  async #reconcile(name: string): Promise<void> {
    const watch = this.#registered.get(name)?.watch;
    if (watch === undefined || this.#endings === undefined) return;
    try {
      await this.#endings.reconcile(name, watch);
    } catch (error) {
      this.#deps.log.error(
        { err: error, cluster: name },
        'sessions could not be compared with the pods that live',
      );
    }
  }
}

function goodFor({
  podFactsMaxAgeSeconds,
  podLabelsMaxAgeSeconds,
}: Extract<ClusterSpec, { readonly type: 'kubernetes' }>): GoodFor {
  const [factsMs, labelsMs] = [podFactsMaxAgeSeconds * 1_000, podLabelsMaxAgeSeconds * 1_000];
  return { factsMs, labelsMs: Math.max(factsMs, labelsMs) };
}
