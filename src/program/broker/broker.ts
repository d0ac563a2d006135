import type { Config } from '../config/schema.ts';
import type { Keys } from '../../broker/state/dependencies.ts';
import { LeaseQuota } from '../../broker/state/lease-quota.ts';
import { WayInWatch } from '../../broker/sessions/way-in-watch.ts';
import { SessionQuota } from '../../broker/state/session-quota.ts';
import { WrappingQuota } from '../../broker/state/wrapping-quota.ts';
import { RotationCanaries } from '../../rotation/canary-values.ts';
import { withoutPosture } from '../../broker/access/without-posture.ts';
import { WITHOUT_APPROVALS } from '../../broker/recording/consent.ts';
import { WITHOUT_ALARMS } from '../../broker/recording/decoys.ts';
import { NO_SIGHTINGS } from '../../broker/recording/sightings.ts';
import { Catalog } from '../../broker/state/catalog.ts';
import { Connections } from '../../broker/state/connections.ts';
import { ChangeStreams } from '../../broker/state/change-streams.ts';
import { EnrolledClusters } from '../../broker/state/enrolled-clusters.ts';
import { EventStreams } from '../../broker/state/event-streams.ts';
import { DueSignal } from '../../broker/kernel/due-signal.ts';
import { Quarantines } from '../../broker/state/quarantine-memory.ts';
import { ProofMemory } from '../../broker/state/proof-memory.ts';
import { ConfiguredPeople } from '../connections/people.ts';
import { MetadataMemory } from '../../broker/state/metadata-memory.ts';
import { NO_ELEVATIONS, OperatorTokens } from '../../broker/state/operator-token-memory.ts';
import { RotationTargets } from '../../broker/state/rotation-targets.ts';
import { KeyringRowMacs } from '../../broker/kernel/row-macs.ts';
import { Sessions } from '../../broker/state/session-memory.ts';
import { State } from '../../broker/state/change-follower.ts';
import { coreFollowers } from '../../broker/state/followers.ts';
import { ValueCache } from '../../broker/state/value-cache.ts';
import { PodEndings } from '../../broker/sessions/pod-endings.ts';
import { sha256Hex } from '../../crypto/hashes/digest.ts';
import { ValueFingerprints } from '../../crypto/keys/value-fingerprint.ts';
import { randomFraction } from '../../crypto/random/random.ts';
import type { DurationTally } from '../../domain/time/duration-tally.ts';
import type { Keyring } from '../../crypto/keys/keyring.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Log } from '../../ports/log.ts';
import type { PodWatch } from '../../ports/pod-watch.ts';
import type { Store } from '../../ports/store.ts';
import type { Trace } from '../../ports/trace.ts';
import { openDeclaredServer } from '../../providers/kubernetes/client/declared-server.ts';
import { openEmbedded } from '../../providers/embedded/open.ts';
import { SteadyClock } from '../../process/steady-clock.ts';
import { continueTime } from '../upkeep/clock-floor.ts';
import { ClockWatch } from '../upkeep/clock-watch.ts';
import { openStore, type OpenedStore, type StoreSpace } from '../../store/index.ts';
import type { LogIdentity } from '../../audit/records/log-identity.ts';
import { LiveRows } from '../../store/guard/live-rows.ts';
import type { RowGuard } from '../../store/guard/row-guard.ts';
import { startBackgroundWork } from './background-work.ts';
import { openArchive } from '../log/archive-storage.ts';
import { openCheckpointStorage } from '../log/checkpoint-storage.ts';
import { Features, type Option, type Parts } from '../../features/feature.ts';
import { OPTIONS } from '../../features/options.ts';
import { AuditTrail, beginLog, openBootLog, type BegunLog } from '../log/audit-trail.ts';
import { ClusterRegistry } from '../clusters/cluster-registry.ts';
import { EnrolledConnections } from '../clusters/enrolled-connections.ts';
import { SavedPodFiles, savedPodsWorker } from '../clusters/saved-pods.ts';
import type { ConfigReload, Reloadable } from './config-reload.ts';
import { OpenedConnections } from '../connections/connections.ts';
import { createGuard, heldKinds, openState, type HeldKind } from '../installation/guarded-state.ts';
import { logCondition } from '../installation/log-condition.ts';
import { refuseWhileHeld, traced } from '../installation/refuse-while-held.ts';
import { IndexScrub, type IndexScrubStatus } from '../upkeep/index-scrub.ts';
import {
  loadKeys,
  rereadKeys,
  type InstallationKeys,
} from '../../broker/keys/installation-keys.ts';
import { openWrappers } from '../keys/keys.ts';
import { RefusalTallies, type CountedRefusals } from '../log/refusal-tallies.ts';
import { reloadableParts } from './reloadable-parts.ts';
import { SpaceWatch } from '../upkeep/space-watch.ts';
import { StateSweep } from '../upkeep/state-sweep.ts';

const HOUR_MS = 3_600_000;

/** A running broker without listeners. */
export interface RunningBroker {
  readonly parts: Parts;
  readonly trail: AuditTrail;
  readonly clusters: ClusterRegistry;
  /** Codes of the reasons why the broker is not ready for requests. */
  unready(): readonly string[];
  /** The reasons why the store is held; empty if it is not. */
  held(): readonly HeldKind[];
  /** Codes of problems that an operator should fix. The broker serves requests all the same. */
  warnings(): readonly string[];
  /** The time of each transaction of the store. */
  readonly commits: DurationTally;
  /** Milliseconds of a sync of the store's disk at the start; undefined if it is not known. */
  readonly syncMs: number | undefined;
  /** Refusals since the start, for the metrics. */
  readonly refused: CountedRefusals;
  /** The calls of each connection, by its name. */
  readonly calls: OpenedConnections['calls'];
  /** The used space of the store; undefined if it is not known. */
  space(): StoreSpace | undefined;
  /** Milliseconds by which the time of the broker is ahead of the system clock. */
  clockAheadMs(): number;
  /** The progress of the check of the store's indexes. */
  indexes(): IndexScrubStatus;
  /** The parts that a reload of the configuration changes. */
  readonly reloadable: readonly Reloadable[];
  /** The limits in use. A reload changes this object. */
  readonly limits: Config['limits'];
  readonly options: readonly Option[];
  /** Closes everything in reverse order. `cause` is recorded in the log. */
  close(cause: string): Promise<void>;
}

export interface BrokerDeps {
  readonly clock: Clock;
  readonly log: Log;
  /** Test builds pass a hook that ends the process at named points of a commit. */
  readonly failpoint?: (name: string) => void;
  /** The folder of the store's migrations. A test adds a migration. */
  readonly migrations?: string | undefined;
  /** Uses the system clock as it is, even if the store was written at a later time. */
  readonly trustClock?: boolean;
  /** Traces; absent unless the configuration has them. */
  readonly trace?: Trace | undefined;
  /** Reload of the configuration; absent without a file, in development mode. */
  readonly reload?: ConfigReload | undefined;
  /** Pods that run in no cluster, by the name of the cluster; only in development mode. */
  readonly pods?: ReadonlyMap<string, PodWatch> | undefined;
  /** Options of this broker; the default is all. A test leaves them out, to show that the core works without them. */
  readonly options?: readonly Option[];
}

/** `clock` never goes back; `wall` is the clock of the system. */
interface TimedDeps extends BrokerDeps {
  readonly clock: SteadyClock;
  readonly wall: Clock;
}

/** @throws ERR_CONFIG_INVALID, ERR_SEALED, ERR_CIPHERTEXT_INVALID, ERR_STORE_UNAVAILABLE. The broker does not start on state that it cannot trust. */
export async function openBroker(config: Config, given: BrokerDeps): Promise<RunningBroker> {
  const deps = { ...given, clock: new SteadyClock(given.clock), wall: given.clock };
  const stored = await openStored(config, deps);
  try {
    const logged = await openLogged(config, { ...deps, ...stored });
    return await openRunning(config, { ...deps, ...stored, ...logged });
  } catch (error) {
    await stored.opened.close();
    throw error;
  }
}

/** The store with the guard of its rows, before there are keys, and the boot that its next commit belongs to. */
interface Stored {
  readonly begun: BegunLog;
  readonly opened: OpenedStore;
  readonly guard: RowGuard;
}

async function openStored(config: Config, deps: TimedDeps): Promise<Stored> {
  const { clock, failpoint, migrations } = deps;
  const begun = await beginLog(config, clock);
  const guard = createGuard(deps);
  const opened = await openStore(config.store, {
    chain: begun.chain,
    clock,
    mode: config.mode,
    guard,
    migrations,
    ...(failpoint === undefined ? {} : { failpoint }),
  });
  try {
    await continueTime(opened, deps);
  } catch (error) {
    await opened.close();
    throw error;
  }
  return { begun, opened, guard };
}

/** The keys, the log, and the store that the broker works on: its rows are those that the log names. */
interface Logged {
  readonly keys: InstallationKeys;
  readonly identity: LogIdentity;
  readonly rows: KeyringRowMacs;
  readonly trail: AuditTrail;
  readonly live: LiveRows;
  readonly store: Store;
  /** True if the store was held at the start. */
  readonly isHeld: boolean;
}

async function openLogged(config: Config, deps: TimedDeps & Stored): Promise<Logged> {
  const { clock, log, begun, opened, guard } = deps;
  const keys = await loadKeys(opened, await openWrappers(config, clock));
  const bootLog = await openBootLog(begun, config, opened, keys);
  const { identity } = bootLog;
  const rows = new KeyringRowMacs(keys.keyring);
  guard.open({ keyring: keys.keyring, rows });
  const archive = await openArchive(config.audit.archive, clock);
  const outside = await openCheckpointStorage(config.audit, clock);
  const kept = { config, store: opened, outside, rows, archive, clock, log };
  const trail = new AuditTrail(bootLog, kept);
  const { held } = await trail.start();
  await logCondition(log, held, { opened, identity });
  const live = new LiveRows(opened, guard);
  if (held === undefined)
    await openState(opened, guard, { clock, log, keys, identity, keep: live });
  const committing = deps.trace === undefined ? opened : traced(opened, deps.trace);
  const store = refuseWhileHeld(committing, held === undefined ? live : opened, {
    isHeld: () => trail.held !== undefined || guard.isHeld,
    proof: (table) => guard.proof(table),
  });
  return { keys, identity, rows, trail, live, store, isHeld: held !== undefined };
}

type RunningDeps = TimedDeps & Stored & Logged;

async function openRunning(config: Config, deps: RunningDeps): Promise<RunningBroker> {
  const { clock, log, opened, guard, store, trail, isHeld } = deps;
  const space = new SpaceWatch({ store: opened, clock, log });
  const sweep = new StateSweep({ store: opened, guard, clock, log });
  // It starts before the parts, because a part may wait for rows that it compares.
  if (!isHeld) sweep.start();
  try {
    const core = await openCore(config, deps);
    await space.start();
    if (store.fault() === undefined) await core.features.beforeServing(core.parts);
    const indexes = indexScrub(config, { check: opened.indexCheck, guard, clock, log });
    const wayIn = new WayInWatch(core.parts);
    const time = new ClockWatch({ clock, log });
    time.start();
    if (!isHeld) {
      indexes.start();
      wayIn.start();
    }
    return {
      ...core,
      trail,
      commits: opened.commits,
      syncMs: opened.condition.syncMs,
      space: () => space.space,
      held: () => heldKinds(trail, guard),
      warnings: () => [
        ...warningsOf({ ...core, ...deps, space, indexes, wayIn }),
        ...core.clusters.warnings(),
        ...time.warnings(),
      ],
      clockAheadMs: () => time.aheadMs,
      indexes: () => indexes.status(),
      async close(cause) {
        space.stop();
        await core.features.stop();
        await Promise.all([sweep.close(), indexes.close(), wayIn.stop(), time.stop()]);
        await core.stop();
        await trail.stop(cause);
        await opened.close();
      },
    };
  } catch (error) {
    await sweep.close();
    await trail.stop('start_failed');
    throw error;
  }
}

function indexScrub(
  { audit }: Config,
  scrubbed: Omit<ConstructorParameters<typeof IndexScrub>[0], 'intervalMs'>,
): IndexScrub {
  return new IndexScrub({ ...scrubbed, intervalMs: audit.scrubIntervalHours * HOUR_MS });
}

interface Watched extends Pick<Core, 'features'> {
  readonly opened: OpenedStore;
  readonly space: SpaceWatch;
  readonly trail: AuditTrail;
  readonly indexes: IndexScrub;
  readonly keys: InstallationKeys;
  readonly wayIn: WayInWatch;
}

function warningsOf(watched: Watched): readonly string[] {
  const { opened, space, trail, indexes, keys, features, wayIn } = watched;
  return [
    ...(opened.condition.revokeConnect === undefined ? [] : ['store_open_to_all_roles']),
    ...(opened.hasUnreadablePage ? ['store_page_unreadable'] : []),
    ...space.warnings(),
    ...trail.warnings(),
    ...indexes.warnings(),
    ...(keys.wrappers.problems().size > 0 ? ['kek_unreachable'] : []),
    ...wayIn.warnings(),
    ...features.warnings(),
  ];
}

interface Core extends Pick<
  RunningBroker,
  'parts' | 'clusters' | 'options' | 'unready' | 'refused' | 'calls' | 'reloadable' | 'limits'
> {
  readonly features: Features;
  stop(): Promise<void>;
}

async function openCore(config: Config, deps: RunningDeps): Promise<Core> {
  const { clock, log, store, keys, rows, trace, trail, pods } = deps;
  const connections = await OpenedConnections.open(config, { clock, trace });
  const enrolled = new EnrolledClusters(store, keys);
  const servers = new EnrolledConnections(enrolled, connections.clusters, openDeclaredServer);
  const clusters = new ClusterRegistry({
    clock,
    log,
    pods,
    connections: connections.clusters,
    enrolled: servers,
    random: randomFraction,
  });
  const { provider } = openEmbedded({ store, clock, ...keys });
  const embedded = { connection: provider, locators: ['**'], prefixes: ['**'] };
  const people = new ConfiguredPeople(config.people, {
    now: () => deps.wall.now(),
    monotonic: () => clock.monotonic(),
  });
  const limits = structuredClone(config.limits);
  const tallies = new RefusalTallies(config, { store, clock, log });
  const { options = OPTIONS } = deps;
  const features = await Features.open(options, {
    ...deps,
    config,
    clusters,
    createGuard: () => createGuard({ clock, log }),
    connections: connections.clusters,
  });
  const parts = await openParts(
    config,
    { ...deps, features },
    {
      trace,
      clusters,
      refusals: tallies.refusals,
      denials: tallies.denials,
      refusalCounts: tallies.counts,
      connections: new Connections([embedded, ...connections.providers]),
      targets: new RotationTargets(connections.targets),
      people,
      limits,
      enrolled,
      openDeclared: servers.openDeclared,
    },
  );
  connections.forbidAudiences(() => audiencesOf(parts));
  const reloaded = { connections, clusters, tallies, people, limits, embedded, trail, features };
  const endings = new PodEndings(parts);
  const isHeld = store.fault() === 'ERR_HELD';
  const savedPods = new SavedPodFiles({ ...config.audit, rows, clock, log });
  if (!isHeld) await serveClusters(clusters, { parts, features, endings, savedPods });
  const saving = savedPodsWorker(savedPods, parts, () => clusters.judged());
  if (!isHeld) saving.start();
  const watches = { stop: () => clusters.close() };
  const halt = await startBackgroundWork(
    config,
    { ...deps, parts, features, isHeld },
    async (workers) => {
      for (const part of [...workers, saving, watches, endings]) await part.stop();
      await connections.close();
    },
  );
  return {
    parts,
    clusters,
    features,
    options,
    refused: tallies.counts,
    calls: connections.calls,
    limits,
    reloadable: reloadableParts({ ...reloaded, parts }),
    unready: () => [sealedCode(parts), store.fault()].filter((code) => code !== undefined),
    async stop() {
      await halt();
      await tallies.flush();
      parts.state.close();
    },
  };
}

/** Serves the registered clusters, and follows the documents that they depend on. */
async function serveClusters(
  clusters: ClusterRegistry,
  { parts, features, endings, savedPods }: Served,
): Promise<void> {
  const registered = parts.catalog
    .all('cluster')
    .map(({ name, uid, version }) => ({ cluster: name, uid, version }));
  const saved = await savedPods.load(registered);
  clusters.start(endings, features.watching(parts), parts.catalog, saved);
  parts.state.onDocument((kind, name) => clusters.changed(kind, name, parts.catalog));
  parts.enrolled.onChange((name) => clusters.changed('cluster', name, parts.catalog));
}

interface Served {
  readonly parts: Parts;
  readonly features: Features;
  readonly endings: PodEndings;
  readonly savedPods: SavedPodFiles;
}

/** The audiences that this broker accepts at login, from the clusters registered now. No mount issues a token for them. */
function audiencesOf({ catalog }: Pick<Parts, 'catalog'>): readonly string[] {
  return catalog
    .all('cluster')
    .flatMap(({ spec }) => (spec.type === 'spiffe' ? [] : spec.audiences));
}

function sealedCode({ keyring }: Pick<Keys, 'keyring'>): 'ERR_SEALED' | undefined {
  return keyring.isSealed ? 'ERR_SEALED' : undefined;
}

/** The parts that others are made from. */
type Made = Pick<
  Parts,
  | 'clusters'
  | 'refusals'
  | 'denials'
  | 'refusalCounts'
  | 'connections'
  | 'targets'
  | 'trace'
  | 'people'
  | 'limits'
  | 'enrolled'
  | 'openDeclared'
>;

function valueCache({ cache }: Config, clock: Clock, { lookup }: Keyring): ValueCache {
  return new ValueCache(clock, new ValueFingerprints(lookup), cache.maxBytes);
}

interface PartsDeps extends RunningDeps {
  readonly features: Features;
}

async function openParts(
  config: Config,
  { clock, log, store, live, trail, keys, features, rows, reload, failpoint }: PartsDeps,
  made: Made,
): Promise<Parts> {
  const catalog = new Catalog(store, rows, () => live.documents(), features.views);
  const { keyring } = keys;
  const sealing = { keyring, rows, digest: sha256Hex };
  const { elevations, ...ports } = features.ports({
    fitness: withoutPosture(catalog),
    consents: WITHOUT_APPROVALS,
    decoys: WITHOUT_ALARMS,
    sightings: NO_SIGHTINGS,
    elevations: NO_ELEVATIONS,
  });
  const sessions = new Sessions(store, sealing);
  const tokens = new OperatorTokens(store, sealing, made.people.issuers, elevations);
  const values = valueCache(config, clock, keyring);
  const canaries = new RotationCanaries({ store, values, ...keys });
  const quarantines = new Quarantines(store, rows, clock);
  const metadata = new MetadataMemory();
  const { enrolled } = made;
  const core = {
    enrolled,
    catalog,
    sessions,
    tokens,
    values,
    metadata,
    canaries,
    quarantines,
    keyring,
  };
  const followers = [
    ...coreFollowers({ ...core, rereadKeys: () => rereadKeys(store, keys) }),
    ...features.followers,
  ];
  const state = await State.start({ store, clock, log, keyring, followers });
  const { limits } = made;
  return features.withParts({
    ...made,
    ...keys,
    ...ports,
    store,
    clock,
    log,
    state,
    catalog,
    sessions,
    tokens,
    quarantines,
    proofs: new ProofMemory(clock),
    values,
    metadata,
    canaries,
    quota: new LeaseQuota(store, limits),
    sessionQuota: new SessionQuota(store, limits),
    wrappingQuota: new WrappingQuota(store),
    events: new EventStreams({ store, clock, log, state, limits }),
    changes: new ChangeStreams({ store, clock, log, state }),
    configuration: reload,
    audit: trail.log,
    publicLog: trail.publicLog,
    receivers: trail.acknowledgements,
    digest: sha256Hex,
    rows,
    vetoes: { count: 0 },
    rotationsDue: new DueSignal(),
    failpoint,
  });
}
