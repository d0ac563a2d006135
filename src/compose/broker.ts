import type { Config } from './config/schema.ts';
import type { Keys } from '../broker/state/dependencies.ts';
import { optionFollowers } from './features/option-followers.ts';
import type { Parts } from './parts.ts';
import { LeaseQuota } from '../broker/state/lease-quota.ts';
import { SessionQuota } from '../broker/state/session-quota.ts';
import { RotationCanaries } from '../broker/rotations/canary-values.ts';
import { decoyAlarms } from '../broker/alerts/decoys.ts';
import { adminConsents } from '../broker/approvals/consent.ts';
import { Catalog } from '../broker/state/catalog.ts';
import { Connections } from '../broker/state/connections.ts';
import { EventStreams } from '../broker/state/event-streams.ts';
import { DueSignal } from '../broker/kernel/due-signal.ts';
import { Attestations } from '../broker/attestations/attestation-memory.ts';
import { Approvals } from '../broker/approvals/approval-memory.ts';
import { ImageEvidence } from '../broker/posture/evidence-memory.ts';
import { SecretValueMemory } from '../broker/posture/secret-value-memory.ts';
import { postureFitness } from '../broker/posture/judge-posture.ts';
import { Profiles } from '../broker/posture/profiles.ts';
import { WatchedReports } from '../broker/posture/watched-reports.ts';
import { Quarantines } from '../broker/state/quarantine-memory.ts';
import { ProofMemory } from '../broker/state/proof-memory.ts';
import { ConfiguredPeople } from './configuration/people.ts';
import { ConfiguredAlertSources } from '../auth/alert-sources/alert-sources.ts';
import { AlertTallies } from '../broker/alerts/alert-tallies.ts';
import { OperatorTokens } from '../broker/state/operator-token-memory.ts';
import { RotationTargets } from '../broker/state/rotation-targets.ts';
import { RowSeals } from '../broker/kernel/row-seals.ts';
import { Sessions } from '../broker/state/session-memory.ts';
import { State } from '../broker/state/change-follower.ts';
import { coreFollowers } from '../broker/state/followers.ts';
import { ValueCache } from '../broker/state/value-cache.ts';
import { PodEndings } from '../broker/sessions/pod-endings.ts';
import { sha256Hex } from '../crypto/hashes/digest.ts';
import { ValueFingerprints } from '../crypto/hashes/value-fingerprint.ts';
import { randomFraction } from '../crypto/random/random.ts';
import type { DurationTally } from '../domain/time/duration-tally.ts';
import type { Keyring } from '../crypto/keys/keyring.ts';
import type { Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';
import type { PodWatch } from '../ports/pod-watch.ts';
import type { Store } from '../ports/store.ts';
import type { Trace } from '../ports/trace.ts';
import { openEmbedded } from '../providers/embedded/open.ts';
import { SteadyClock } from '../process/steady-clock.ts';
import { NO_COPIES, openCopies, type Copies } from './backups-and-archives.ts';
import { continueTime } from '../upkeep/clock-floor.ts';
import { openStore, type OpenedStore, type StoreSpace } from '../store/index.ts';
import { LiveRows } from '../store/guard/live-rows.ts';
import type { RowGuard } from '../store/guard/row-guard.ts';
import { startBackgroundWork } from './background-work.ts';
import type { ArchiveRuns } from '../backup/archive-runs.ts';
import { openArchive } from './log/archive-place.ts';
import { atOrigin, AuditTrail, openBootLog, type BootLog } from './log/audit-trail.ts';
import type { ClusterDocumentsDeps, ClusterDocumentsWork } from './clusters/cluster-documents.ts';
import { ClusterRegistry } from './clusters/cluster-registry.ts';
import type { ConfigReload, Reloadable } from './configuration/config-reload.ts';
import { OpenedConnections } from './configuration/connections.ts';
import { createGuard, heldKinds, openState, type HeldKind } from './installation/guarded-state.ts';
import { refuseWhileHeld, traced } from './installation/refuse-while-held.ts';
import { HeldAlertFiles, takeHeldAlerts } from './serving/held-alerts.ts';
import { IndexScrub, type IndexScrubStatus } from '../upkeep/index-scrub.ts';
import { loadKeys, rereadKeys, type InstallationKeys } from '../broker/keys/installation-keys.ts';
import { openWrappers } from './installation/keys.ts';
import { RefusalTallies, type CountedRefusals } from './log/refusal-tallies.ts';
import { reloadableParts } from './configuration/reloadable-parts.ts';
import { SpaceWatch } from '../upkeep/space-watch.ts';
import { StateSweep } from '../upkeep/state-sweep.ts';

const HOUR_MS = 3_600_000;

/** A running broker without listeners. */
export interface RunningBroker {
  readonly parts: Parts;
  readonly trail: AuditTrail;
  readonly clusters: ClusterRegistry;
  /** Copies of custom resources, one for each cluster of the configuration. */
  readonly clusterDocuments: readonly ClusterDocumentsWork[];
  /** Codes of the reasons why the broker is not ready for requests. */
  unready(): readonly string[];
  /** The reasons why the store is held; empty if it is not. */
  held(): readonly HeldKind[];
  /** Codes of problems that an operator should fix. The broker serves requests all the same. */
  warnings(): readonly string[];
  /** The time of each transaction of the store. */
  readonly commits: DurationTally;
  /** Refusals since the start, for the metrics. */
  readonly refused: CountedRefusals;
  /** The calls of each connection, by its name. */
  readonly calls: OpenedConnections['calls'];
  /** The used space of the store; undefined if it is not known. */
  space(): StoreSpace | undefined;
  /** The progress of the check of the store's indexes. */
  indexes(): IndexScrubStatus;
  /** Time at which the newest backup was made; undefined if there is none. */
  lastBackup(): number | undefined;
  /** The parts that a reload of the configuration changes. */
  readonly reloadable: readonly Reloadable[];
  /** The limits in use. A reload changes this object. */
  readonly limits: Config['limits'];
  /** Archive of the audit log; undefined if the configuration has none. */
  readonly archives: ArchiveRuns | undefined;
  /** Closes everything in reverse order. `cause` is recorded in the log. */
  close(cause: string): Promise<void>;
}

export interface BrokerDeps {
  readonly clock: Clock;
  readonly log: Log;
  /** Test builds pass a hook that ends the process at named points of a commit. */
  readonly failpoint?: (name: string) => void;
  /** Uses the system clock as it is, even if the store was written at a later time. */
  readonly trustClock?: boolean;
  /** Traces; absent unless the configuration has them. */
  readonly trace?: Trace | undefined;
  /** Reload of the configuration; absent without a file, in development mode. */
  readonly reload?: ConfigReload | undefined;
  /** Pods that run in no cluster, by the name of the cluster; only in development mode. */
  readonly pods?: ReadonlyMap<string, PodWatch> | undefined;
}

/** @throws ERR_CONFIG_INVALID, ERR_SEALED, ERR_CIPHERTEXT_INVALID, ERR_STORE_UNAVAILABLE. The broker does not start on state that it cannot trust. */
export async function openBroker(config: Config, given: BrokerDeps): Promise<RunningBroker> {
  const clock = new SteadyClock(given.clock);
  const deps = { ...given, clock };
  const bootLog = await openBootLog(config, clock);
  const { failpoint } = deps;
  const guard = createGuard(deps);
  const opened = await openStore(config.store, {
    chain: bootLog.chain,
    clock,
    mode: config.mode,
    guard,
    ...(failpoint === undefined ? {} : { failpoint }),
  });
  try {
    await continueTime(opened, deps);
    return await openOn(config, deps, await atOrigin(bootLog, opened), { opened, guard });
  } catch (error) {
    await opened.close();
    throw error;
  }
}

async function openOn(
  config: Config,
  deps: BrokerDeps,
  bootLog: BootLog,
  { opened, guard }: { readonly opened: OpenedStore; readonly guard: RowGuard },
): Promise<RunningBroker> {
  const { clock, log } = deps;
  const keys = await loadKeys(opened, await openWrappers(config, clock));
  const rows = new RowSeals(keys.keyring);
  guard.open({ keyring: keys.keyring, rows });
  const archive = await openArchive(config.audit.archive, clock);
  const trail = new AuditTrail(bootLog, { config, store: opened, rows, archive, clock, log });
  const { held } = await trail.start();
  logCondition(log, held, opened);
  const live = new LiveRows(opened, guard);
  const opening = { clock, log, keys, identity: bootLog.identity, keep: live };
  if (held === undefined) await openState(opened, guard, opening);
  const committing = deps.trace === undefined ? opened : traced(opened, deps.trace);
  const isHeld = (): boolean => trail.held !== undefined || guard.isHeld;
  const store = refuseWhileHeld(committing, held === undefined ? live : opened, isHeld);
  const space = new SpaceWatch({ store: opened, clock, log });
  const beside = { ...deps, opened, store, keys, bootLog, trail };
  const copies = held === undefined ? await openCopies(config, beside) : NO_COPIES;
  try {
    const core = await openCore(config, { ...deps, store, live, trail, guard, keys, copies });
    await space.start();
    if (store.fault() === undefined) await takeHeldAlerts(core.parts);
    const sweep = new StateSweep({ store: opened, guard, clock, log });
    const indexes = indexScrub(config, { check: opened.indexCheck, guard, clock, log });
    if (held === undefined) {
      sweep.start();
      indexes.start();
    }
    return {
      ...core,
      trail,
      commits: opened.commits,
      space: () => space.space,
      lastBackup: () => copies.backups?.last,
      archives: copies.archives,
      held: () => heldKinds(trail, guard),
      warnings: () => warningsOf({ ...core, opened, space, trail, indexes, ...copies, keys }),
      indexes: () => indexes.status(),
      async close(cause) {
        space.stop();
        await Promise.all([copies.backups?.stop(), copies.archives?.stop()]);
        await Promise.all([sweep.close(), indexes.close()]);
        await core.stop();
        await trail.stop(cause);
        await opened.close();
      },
    };
  } catch (error) {
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

interface Watched extends Copies, Pick<Core, 'clusterDocuments'> {
  readonly opened: OpenedStore;
  readonly space: SpaceWatch;
  readonly trail: AuditTrail;
  readonly indexes: IndexScrub;
  readonly keys: InstallationKeys;
}

function warningsOf({
  opened,
  space,
  trail,
  indexes,
  backups,
  archives,
  keys,
  clusterDocuments,
}: Watched): readonly string[] {
  return [
    ...(opened.condition.revokeConnect === undefined ? [] : ['store_open_to_all_roles']),
    ...(opened.hasUnreadablePage ? ['store_page_unreadable'] : []),
    ...space.warnings(),
    ...trail.warnings(),
    ...(indexes.status().isLogDamaged ? ['audit_index_damaged'] : []),
    ...(backups?.hasFailed === true ? ['backup_failed'] : []),
    ...(archives?.hasFailed === true ? ['audit_archive_failed'] : []),
    ...(keys.wrappers.problems().size > 0 ? ['kek_unreachable'] : []),
    ...(clusterDocuments.some(({ held }) => held > 0) ? ['deletions_held'] : []),
  ];
}

function logCondition(log: Log, held: string | undefined, { condition }: OpenedStore): void {
  const { differences, revokeConnect } = condition;
  if (held !== undefined) {
    log.error(
      { reason: held, ...(differences.length > 0 && { differences }) },
      'the store is held: nothing is served; find the reason, then run "quaymaster release"',
    );
  }
  if (revokeConnect !== undefined) {
    log.warn(
      { run: revokeConnect },
      "every role of the PostgreSQL server may connect to the store's database and use up its connections: revoke it",
    );
  }
}

interface CoreDeps extends BrokerDeps {
  readonly store: Store;
  readonly live: LiveRows;
  readonly trail: AuditTrail;
  readonly guard: RowGuard;
  readonly keys: InstallationKeys;
  readonly copies: Copies;
}

interface Core extends Pick<
  RunningBroker,
  | 'parts'
  | 'clusters'
  | 'clusterDocuments'
  | 'unready'
  | 'refused'
  | 'calls'
  | 'reloadable'
  | 'limits'
> {
  stop(): Promise<void>;
}

async function openCore(config: Config, deps: CoreDeps): Promise<Core> {
  const { clock, log, store, keys, trace, trail, pods } = deps;
  const own: { parts?: Parts } = {};
  const connections = await OpenedConnections.open(config, {
    clock,
    trace,
    get forbiddenAudiences() {
      return own.parts === undefined ? [] : audiencesOf(own.parts);
    },
  });
  const clusters = new ClusterRegistry({
    clock,
    log,
    pods,
    connections: connections.clusters,
    random: randomFraction,
  });
  const { provider } = openEmbedded({ store, clock, ...keys });
  const embedded = { connection: provider, locators: ['**'], prefixes: ['**'] };
  const people = new ConfiguredPeople(config.people);
  const limits = structuredClone(config.limits);
  const tallies = new RefusalTallies(config, { store, clock, log });
  const parts = await openParts(config, deps, {
    trace,
    clusters,
    changedPods: clusters.changedPods,
    refusals: tallies.refusals,
    denials: tallies.denials,
    refusalCounts: tallies.counts,
    connections: new Connections([embedded, ...connections.providers]),
    targets: new RotationTargets(connections.targets),
    people,
    limits,
  });
  own.parts = parts;
  const reloaded = { connections, clusters, tallies, people, limits, embedded, trail };
  const endings = new PodEndings(parts);
  const isHeld = store.fault() === 'ERR_HELD';
  if (!isHeld) serveClusters(clusters, parts, endings);
  const watches = { stop: () => clusters.close() };
  const copied = isHeld ? [] : await startDocuments(config, { parts, trail, connections });
  const halt = await startBackgroundWork(config, { ...deps, parts, isHeld }, async (workers) => {
    for (const part of [...copied, ...workers, watches, endings]) await part.stop();
    await connections.close();
  });
  return {
    parts,
    clusters,
    clusterDocuments: copied,
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
function serveClusters(clusters: ClusterRegistry, parts: Parts, endings: PodEndings): void {
  clusters.start(endings, new WatchedReports(parts), parts);
  parts.state.onDocument((kind, name) => clusters.changed(kind, name, parts));
}

/** Copies custom resources. It loads the code only if the configuration has a cluster for it. */
async function startDocuments(
  config: Config,
  deps: ClusterDocumentsDeps,
): Promise<readonly ClusterDocumentsWork[]> {
  if (config.kubernetes.documents.length === 0) return [];
  const { clusterDocuments } = await import('./clusters/cluster-documents.ts');
  const works = clusterDocuments(config, deps);
  for (const work of works) work.start();
  return works;
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
  | 'changedPods'
  | 'refusals'
  | 'denials'
  | 'refusalCounts'
  | 'connections'
  | 'targets'
  | 'trace'
  | 'people'
  | 'limits'
>;

function valueCache({ cache }: Config, clock: Clock, { lookup }: Keyring): ValueCache {
  return new ValueCache(clock, new ValueFingerprints(lookup), cache.maxBytes);
}

async function openParts(
  config: Config,
  { clock, log, store, live, trail, keys, copies, reload, failpoint }: CoreDeps,
  made: Made,
): Promise<Parts> {
  const rows = new RowSeals(keys.keyring);
  const profiles = new Profiles();
  const catalog = new Catalog(store, rows, () => live.documents(), [profiles]);
  const sealing = { keyring: keys.keyring, rows, digest: sha256Hex };
  const approvals = new Approvals(store, rows, clock);
  const attestations = new Attestations(store, rows);
  const sessions = new Sessions(store, sealing);
  const tokens = new OperatorTokens(store, sealing, made.people.issuers, approvals);
  const values = valueCache(config, clock, keys.keyring);
  const canaries = new RotationCanaries({ store, values, ...keys });
  const quarantines = new Quarantines(store, rows, clock);
  const evidence = new ImageEvidence(store);
  const secretValues = new SecretValueMemory();
  const { keyring } = keys;
  const options = { approvals, attestations, evidence, secretValues, profiles };
  const core = { catalog, sessions, tokens, values, canaries, quarantines, keyring };
  const followers = [
    ...coreFollowers({ ...core, rereadKeys: () => rereadKeys(store, keys) }),
    ...optionFollowers(options),
  ];
  const state = await State.start({ store, clock, log, keyring, followers });
  const alerting = {
    alertSources: new ConfiguredAlertSources(config.alerts, clock),
    alertTallies: new AlertTallies(clock),
  };
  const recorded = { clock, digest: sha256Hex };
  const { limits } = made;
  return {
    ...made,
    ...keys,
    store,
    clock,
    log,
    state,
    catalog,
    sessions,
    tokens,
    quarantines,
    ...options,
    fitness: postureFitness({ ...options, clock, clusters: made.clusters }),
    proofs: new ProofMemory(clock),
    ...alerting,
    consents: adminConsents({ ...options, ...recorded }),
    decoys: decoyAlarms({ ...alerting, ...recorded }),
    heldAlerts: new HeldAlertFiles(config.audit.checkpointFile, log),
    values,
    canaries,
    quota: new LeaseQuota(store, limits),
    sessionQuota: new SessionQuota(store, limits),
    events: new EventStreams({ store, clock, log, state, limits }),
    ...copies,
    configuration: reload,
    audit: trail.log,
    publicLog: trail.publicLog,
    receivers: trail.acknowledgements,
    digest: sha256Hex,
    rows,
    vetoes: { count: 0 },
    rotationsDue: new DueSignal(),
    failpoint,
  };
}
