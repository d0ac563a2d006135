import { ConfiguredPeople } from '../../../src/program/connections/people.ts';
import { systemClock } from '../../../src/process/clock.ts';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Call } from '../../../src/broker/access/call.ts';
import { applyDocument, deleteDocument } from '../../../src/broker/documents/apply-document.ts';
import type { DocumentKind } from '../../../src/broker/model/kinds.ts';
import { authenticateDocument } from '../../../src/broker/model/document.ts';
import { parseSpec } from '../../../src/broker/model/schema.ts';
import { EnrolledClusters } from '../../../src/broker/state/enrolled-clusters.ts';
import { LeaseQuota } from '../../../src/broker/state/lease-quota.ts';
import { SessionQuota } from '../../../src/broker/state/session-quota.ts';
import { WrappingQuota } from '../../../src/broker/state/wrapping-quota.ts';
import { logIn } from '../../../src/broker/sessions/log-in.ts';
import { postureFitness } from '../../../src/features/posture/judge-posture.ts';
import { JudgedPods } from '../../../src/features/posture/judged-pods.ts';
import { Profiles } from '../../../src/features/posture/profiles.ts';
import type { Clusters, Limits } from '../../../src/broker/state/dependencies.ts';
import type { Parts } from '../../../src/features/feature.ts';
import { RotationCanaries } from '../../../src/rotation/canary-values.ts';
import { decoyAlarms } from '../../../src/features/alerts/decoys.ts';
import { SeenPods } from '../../../src/features/alerts/seen-pods.ts';
import { adminConsents } from '../../../src/features/approvals/consent.ts';
import { Catalog } from '../../../src/broker/state/catalog.ts';
import { Connections, type BoundConnection } from '../../../src/broker/state/connections.ts';
import { ChangeStreams } from '../../../src/broker/state/change-streams.ts';
import { EventStreams } from '../../../src/broker/state/event-streams.ts';
import { DueSignal } from '../../../src/broker/kernel/due-signal.ts';
import {
  attestationFollower,
  Attestations,
} from '../../../src/features/attestations/attestation-memory.ts';
import { ConfiguredAlertSources } from '../../../src/auth/alert-sources/alert-sources.ts';
import { alertsConfigSchema } from '../../../src/auth/alert-sources/config.ts';
import { ChangedPods } from '../../../src/features/alerts/changed-pods.ts';
import { AlertTallies } from '../../../src/features/alerts/alert-tallies.ts';
import { approvalFollower, Approvals } from '../../../src/features/approvals/approval-memory.ts';
import { evidenceFollower, ImageEvidence } from '../../../src/features/posture/evidence-memory.ts';
import {
  secretValueFollower,
  SecretValueMemory,
} from '../../../src/features/posture/secret-value-memory.ts';
import { taskQueue } from '../../../src/broker/kernel/task-thread.ts';
import { AttestationReader } from '../../../src/features/attestations/attestation-reader.ts';
import { ReportReader } from '../../../src/features/posture/report-reader.ts';
import { Quarantines } from '../../../src/broker/state/quarantine-memory.ts';
import { ProofMemory } from '../../../src/broker/state/proof-memory.ts';
import { MetadataMemory } from '../../../src/broker/state/metadata-memory.ts';
import {
  OperatorTokens,
  type LiveOperator,
} from '../../../src/broker/state/operator-token-memory.ts';
import { RotationTargets, type BoundTargets } from '../../../src/broker/state/rotation-targets.ts';
import { RootKeyWrappers } from '../../../src/broker/keys/root-key-wrappers.ts';
import { KeyringRowMacs } from '../../../src/broker/kernel/row-macs.ts';
import { Sessions, type LiveSession } from '../../../src/broker/state/session-memory.ts';
import { State } from '../../../src/broker/state/change-follower.ts';
import { coreFollowers } from '../../../src/broker/state/followers.ts';
import { ValueCache } from '../../../src/broker/state/value-cache.ts';
import { sha256Hex } from '../../../src/crypto/hashes/digest.ts';
import { Keyring } from '../../../src/crypto/keys/keyring.ts';
import { randomId } from '../../../src/crypto/random/random.ts';
import { generateRootKey } from '../../../src/crypto/keys/root-keys.ts';
import { ValueFingerprints } from '../../../src/crypto/keys/value-fingerprint.ts';
import { newToken } from '../../../src/crypto/random/token.ts';
import { BrokerError } from '../../../src/domain/errors.ts';
import type { Workload } from '../../../src/domain/identity/workload.ts';
import type { AuditLog } from '../../../src/ports/audit-log.ts';
import type { Log } from '../../../src/ports/log.ts';
import type { PodFacts, PodWatch } from '../../../src/ports/pod-watch.ts';
import type { Store } from '../../../src/ports/store.ts';
import type { StoreDeps } from '../../../src/store/store-deps.ts';
import type { AttestedWorkload } from '../../../src/ports/workload-authenticator.ts';
import { openEmbedded } from '../../../src/providers/embedded/open.ts';
import { openSqliteStore } from '../../../src/store/sqlite/open-sqlite-store.ts';
import { newCall } from './api-call.ts';
import { FakeAuditChain } from '../fakes/fake-audit-chain.ts';
import { HandClock } from '../time/hand-clock.ts';
import { HookedStore } from '../store/hooked-store.ts';
import { writeNewStore } from '../store/new-store.ts';
import { ScriptedBackend } from '../fakes/scripted-backend.ts';
import { ScriptedTarget } from '../fakes/scripted-target.ts';
import { storedEntries, type StoredEntry } from '../store/store-diff.ts';

export const POD = { name: 'api-1', uid: 'pod-1' };

/** The claims of a service-account token in these tests; the token is their JSON. */
interface Claims {
  readonly namespace?: string;
  readonly serviceAccount?: string;
  readonly pod?: { readonly name: string; readonly uid: string } | null;
  readonly lifeMs?: number;
}

/** The parts that a reopened broker takes over from its predecessor. */
interface Shared {
  readonly keyring?: Keyring;
  readonly directory?: string;
  readonly clock?: HandClock;
  readonly watches?: Map<string, ScriptedWatch>;
  readonly operatorTokens?: Map<string, string>;
  /** Connections besides the scripted ones. */
  readonly connections?: readonly BoundConnection[];
  readonly targets?: readonly BoundTargets[];
  /** Opens the store; the default is SQLite in the directory. */
  readonly openStore?: (deps: StoreDeps) => Promise<Store>;
}

/** The parts with which it was opened. */
interface Made {
  readonly directory: string;
  readonly limits: Partial<Limits>;
  readonly shared: Shared;
}

/** A pod watch in memory. */
export class ScriptedWatch implements PodWatch {
  readonly pods = new Map<string, PodFacts>();
  state: ReturnType<PodWatch['status']> = 'live';
  /** The result of a fresh read; undefined: the API server does not answer. */
  fresh: PodFacts['state'] | undefined = 'running';
  confirmed = 0;

  status(): ReturnType<PodWatch['status']> {
    return this.state;
  }

  find(uid: string): PodFacts | undefined {
    return this.pods.get(uid);
  }

  /** The knowledge that is still good although the watch is not live. */
  good: 'nothing' | 'labels' | 'facts' = 'nothing';

  lastKnown(uid: string): PodFacts | undefined {
    return this.state === 'live' || this.good === 'facts' ? this.pods.get(uid) : undefined;
  }

  lastLabels(uid: string): PodFacts['labels'] | undefined {
    return this.state === 'live' || this.good !== 'nothing'
      ? this.pods.get(uid)?.labels
      : undefined;
  }

  save(): undefined {
    return undefined;
  }

  uidOf(): string | undefined {
    return undefined;
  }

  uidOfContainer(): string | undefined {
    return undefined;
  }

  readonly ended = { find: () => undefined, named: () => [], uidOfContainer: () => undefined };

  confirm(): Promise<PodFacts> {
    this.confirmed += 1;
    return this.fresh === undefined
      ? Promise.reject(new BrokerError('ERR_IDENTITY_UNAVAILABLE'))
      : Promise.resolve({ state: this.fresh, labels: new Map() });
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** The use cases over a real store; the test controls time, backends and clusters. */
export class TestBroker {
  readonly parts: Parts;
  readonly store: HookedStore;
  readonly clock: HandClock;
  readonly backend: ScriptedBackend;
  /** The rotation target of the connection `target-1`. */
  readonly target: ScriptedTarget;
  readonly watches: Map<string, ScriptedWatch>;
  readonly logged: unknown[];
  /** Admission of audit entries: if it is open, each refusal of an unknown caller gets its own. */
  readonly admission: { open: boolean };
  /** The newest token of each operator, by name. */
  readonly operatorTokens: Map<string, string>;
  readonly #made: Made;

  private constructor(
    made: Pick<
      TestBroker,
      'parts' | 'store' | 'clock' | 'backend' | 'target' | 'watches' | 'logged' | 'admission'
    >,
    opened: Made & { readonly operatorTokens: Map<string, string> },
  ) {
    this.parts = made.parts;
    this.store = made.store;
    this.clock = made.clock;
    this.backend = made.backend;
    this.target = made.target;
    this.watches = made.watches;
    this.logged = made.logged;
    this.admission = made.admission;
    this.operatorTokens = opened.operatorTokens;
    this.#made = opened;
  }

  static async open(limits: Partial<Limits> = {}, shared: Shared = {}): Promise<TestBroker> {
    const directory = shared.directory ?? (await mkdtemp(join(tmpdir(), 'qm-broker-')));
    if (shared.directory === undefined) await writeNewStore(join(directory, 'broker.db'));
    const clock = shared.clock ?? new HandClock();
    const inDirectory = (deps: StoreDeps): Promise<Store> =>
      openSqliteStore(
        { path: join(directory, 'broker.db'), ballastBytes: 4096, syncsInPool: false },
        deps,
      );
    const { openStore = inDirectory } = shared;
    const store = new HookedStore(
      await openStore({ chain: new FakeAuditChain(), clock, mode: 'development' }),
    );
    const keyring = shared.keyring ?? new Keyring(generateRootKey());
    const backend = new ScriptedBackend('vault-1');
    const target = new ScriptedTarget('target-1');
    const watches = shared.watches ?? new Map<string, ScriptedWatch>();
    const logged: unknown[] = [];
    const admission = { open: true };
    const embedded = openEmbedded({ store, clock, keyring, installation: 'in_test' }).provider;
    const connections = new Connections([
      { connection: embedded, locators: ['**'], prefixes: ['**'] },
      { connection: backend, locators: ['kv/**', 'other/**', 'dyn/**'], prefixes: ['**'] },
      ...(shared.connections ?? []),
    ]);
    const targets = new RotationTargets([
      { connection: target, locators: ['users/*'], prefixes: ['app/**', 'kv/**'] },
      ...(shared.targets ?? []),
    ]);
    const parts = await openParts({
      store,
      clock,
      keyring,
      watches,
      logged,
      admission,
      connections,
      targets,
      limits: {
        batchItems: 100,
        eventStreams: 100,
        leasesPerWorkload: 1_000,
        sessionsPerPod: 10_000,
        sessionsPerWorkload: 20_000,
        maxSessionSeconds: 3_600,
        maxValueBytes: 1_000,
        ...limits,
      },
    });
    return new TestBroker(
      { parts, store, clock, backend, target, watches, logged, admission },
      { directory, limits, shared, operatorTokens: shared.operatorTokens ?? new Map() },
    );
  }

  /** A new broker without state in memory, over the same store, keys, clock and pods; this one is closed. */
  async reopen(): Promise<TestBroker> {
    const { clock, watches, operatorTokens } = this;
    const { keyring } = this.parts;
    await this.#stop();
    const { directory, limits, shared } = this.#made;
    const kept = { directory, clock, watches, keyring, operatorTokens };
    return TestBroker.open(limits, { ...shared, ...kept });
  }

  /**
   * Another broker beside this one, with the same keys, clock and pods, and a memory of its own. On SQLite it shares this broker's store, so close it first.
   */
  async peer(): Promise<TestBroker> {
    const { clock, watches, operatorTokens } = this;
    const { keyring } = this.parts;
    const { directory, limits, shared } = this.#made;
    const borrowed = new HookedStore(this.store.real);
    borrowed.close = () => Promise.resolve();
    const { openStore = () => Promise.resolve(borrowed) } = shared;
    const kept = { directory, clock, watches, keyring, operatorTokens };
    return TestBroker.open(limits, { ...shared, ...kept, openStore });
  }

  /** Closes it, and leaves its store for another broker. */
  async leave(): Promise<void> {
    await this.#stop();
  }

  /**
   * Creates the cluster `c1`, an embedded mount at `app`, `kv` and `dyn` at the backend, and a policy that allows `pay/api` everything
   * below them.
   */
  async seed(): Promise<LiveOperator> {
    const admin = await this.operator('root', [{ role: 'admin' }, { role: 'secret-reader' }]);
    await this.put(admin, 'cluster', 'c1', cluster());
    this.watches.set('c1', new ScriptedWatch());
    await this.put(admin, 'mount', 'app', { prefix: 'app', connection: 'embedded' });
    await this.put(admin, 'mount', 'kv', mount('kv'));
    await this.put(admin, 'mount', 'dyn', mount('dyn', { dynamic: true }));
    await this.put(admin, 'definition', 'dyn/db', { class: 'dynamic', maxLeaseTtl: '2h' });
    await this.put(admin, 'policy', 'all', policy('all', ['app/**', 'kv/**', 'dyn/**']));
    return admin;
  }

  async put(admin: LiveOperator, kind: DocumentKind, name: string, body: unknown): Promise<void> {
    const exists = this.parts.catalog.find(kind, name) !== undefined;
    const precondition = exists ? { ifMatch: '*' } : ({ ifNoneMatch: '*' } as const);
    await applyDocument(this.parts, this.call(), admin, { kind, name, body, precondition });
  }

  async remove(admin: LiveOperator, kind: DocumentKind, name: string): Promise<void> {
    const change = { kind, name, precondition: { ifMatch: '*' } };
    await deleteDocument(this.parts, this.call(), admin, change);
  }

  /** A new request. */
  call(address?: string, signal?: AbortSignal): Call {
    return newCall(address, signal);
  }

  token(claims: Claims = {}): string {
    return JSON.stringify(claims);
  }

  async logIn(claims: Claims = {}, cluster = 'c1'): Promise<LiveSession> {
    const { token } = await this.openSession(claims, cluster);
    const live = await this.parts.sessions.find(token);
    if (live === undefined) throw new Error('no session');
    return live;
  }

  /** @returns the session's token. */
  async openSession(claims: Claims = {}, cluster = 'c1'): Promise<{ readonly token: string }> {
    return logIn(this.parts, this.call(), { cluster, token: this.token(claims) });
  }

  /** An operator created without the API, with a token that lasts a year. */
  async operator(name: string, grants: readonly object[], ttlMs = 3e10): Promise<LiveOperator> {
    const { parts } = this;
    const uid = randomId('doc');
    const body = { grants };
    const now = this.clock.now();
    const text = newToken('qmo');
    const document = {
      kind: 'operator' as const,
      name,
      uid,
      version: 1,
      body,
      updatedAt: now,
      spec: parseSpec('operator', body),
      updatedBy: 'test',
    };
    const stored = {
      id: randomId('tok'),
      operator: name,
      operatorUid: uid,
      createdAt: now,
      spec: { sourceCidrs: [], minters: [], operatorVersion: 1 },
      endsAt: now + ttlMs,
    };
    const outcome = await this.store.real.commit({
      writes: [
        { table: 'documents', put: authenticateDocument(parts.rows, document) },
        { table: 'operator_tokens', put: parts.tokens.rowOf(stored, parts.tokens.hash(text)) },
      ],
      invalidates: [`operator:${name}`, `document:operator/${name}`],
    });
    if (outcome.status === 'committed') await parts.state.waitForChange(outcome.seq);
    const live = await parts.tokens.find(text, parts.catalog);
    if (live === undefined) throw new Error('no operator');
    this.operatorTokens.set(name, text);
    return live;
  }

  /** Entries that `work` wrote, in order. */
  async entriesOf(work: () => Promise<unknown>): Promise<readonly StoredEntry[]> {
    const before = await storedEntries(this.store.real);
    await work();
    return (await storedEntries(this.store.real)).slice(before.length);
  }

  async close(): Promise<void> {
    await this.#stop();
    await rm(this.#made.directory, { recursive: true, force: true });
  }

  async #stop(): Promise<void> {
    this.parts.state.close();
    await this.parts.reports.close();
    await this.parts.attestationReader.close();
    await this.store.close();
  }
}

/** The code of the error that `work` throws. */
export async function codeOf(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => 'no error',
    (error: unknown) => BrokerError.from(error).code,
  );
}

export function cluster(more: object = {}): object {
  return { connection: 'k', issuer: 'https://issuer.test', audiences: ['quaymaster'], ...more };
}

export function mount(root: string, more: object = {}, document: object = {}): object {
  return {
    prefix: root,
    connection: 'vault-1',
    options: { root, ...more },
    cacheTtl: '5m',
    ...document,
  };
}

export function policy(
  name: string,
  paths: readonly string[],
  more: { readonly capabilities?: readonly string[]; readonly rule?: object } = {},
): object {
  const { capabilities = ['read', 'list', 'write'], rule = {} } = more;
  return {
    apiVersion: 'quaymaster.dev/v1',
    kind: 'AccessPolicy',
    metadata: { name },
    spec: {
      subjects: [{ clusters: ['c1'], namespaces: ['pay'], serviceAccounts: ['*'] }],
      rules: [{ name: 'r', effect: 'allow', paths, capabilities, ...rule }],
    },
  };
}

/** The threads of a broker last until it closes: a hand clock that moves by an hour would end them, and a new thread loads its modules again. */
const NEVER: Pick<HandClock, 'after'> = { after: () => () => undefined };

interface PartsOf {
  readonly store: Store;
  readonly clock: HandClock;
  readonly keyring: Keyring;
  readonly watches: ReadonlyMap<string, ScriptedWatch>;
  readonly logged: unknown[];
  readonly admission: { readonly open: boolean };
  readonly connections: Connections;
  readonly targets: RotationTargets;
  readonly limits: Limits;
}

async function openParts(made: PartsOf): Promise<Parts> {
  const { store, clock, keyring, watches, logged, admission, connections, targets, limits } = made;
  const rows = new KeyringRowMacs(keyring);
  const profiles = new Profiles();
  const catalog = new Catalog(store, rows, undefined, [profiles]);
  const seenPods = new SeenPods(clock);
  const sealing = { keyring, rows, digest: sha256Hex };
  const sessions = new Sessions(store, sealing);
  const approvals = new Approvals(store, rows, clock);
  const tasks = taskQueue();
  const attestationReader = new AttestationReader(NEVER, tasks);
  const attestations = new Attestations(store, rows, attestationReader);
  const tokens = new OperatorTokens(store, sealing, undefined, approvals);
  const root = keyring.active;
  const values = new ValueCache(clock, new ValueFingerprints(root), 1_000_000);
  const log = collector(logged);
  const canaries = new RotationCanaries({ store, values, keyring, installation: 'in_test' });
  const quarantines = new Quarantines(store, rows, clock);
  const evidence = new ImageEvidence(store);
  const reports = new ReportReader(NEVER, tasks);
  const secretValues = new SecretValueMemory();
  const metadata = new MetadataMemory();
  const enrolled = new EnrolledClusters(store, { keyring, installation: 'in_test' });
  const core = { catalog, sessions, tokens, values, metadata, canaries, quarantines, keyring };
  const memory = { ...core, enrolled };
  const clusters: Clusters = {
    authenticator: (name) =>
      catalog.find('cluster', name) && {
        authenticate: (token) => Promise.resolve(attested(clock, name, token)),
        close: () => undefined,
      },
    watch: (name) => watches.get(name),
    namespaces: () => undefined,
    check: (name) =>
      catalog.find('cluster', name) && Promise.resolve({ healthy: true, findings: ['cluster'] }),
    problem: ({ connection }) => clusters.connectionProblem(connection),
    connectionProblem: (name) => (name === 'k' ? undefined : 'no such connection'),
  };
  const judgedPods = new JudgedPods();
  const options = {
    approvals,
    attestations,
    attestationReader,
    evidence,
    reports,
    secretValues,
    profiles,
    judgedPods,
  };
  const alerting = {
    alertSources: new ConfiguredAlertSources(alertsConfigSchema.parse(undefined), clock),
    alertTallies: new AlertTallies(clock),
  };
  const recorded = { clock, digest: sha256Hex };
  const state = await State.start({
    store,
    clock,
    log,
    keyring,
    followers: [
      ...coreFollowers({ ...memory, rereadKeys: () => Promise.resolve() }),
      approvalFollower(approvals),
      attestationFollower(attestations),
      evidenceFollower(evidence),
      secretValueFollower(secretValues),
    ],
  });
  return {
    store,
    clock,
    log,
    limits,
    state,
    catalog,
    sessions,
    tokens,
    quarantines,
    enrolled,
    openDeclared: () => {
      throw new BrokerError('ERR_CONFLICT', 'no cluster enrols here');
    },
    ...options,
    proofs: new ProofMemory(clock),
    connections,
    values,
    metadata,
    canaries,
    keyring,
    rows,
    installation: 'in_test',
    digest: sha256Hex,
    clusters,
    fitness: postureFitness({ ...options, clock, clusters }),
    enforcement: undefined,
    watchedReports: () => new Map(),
    clusterDocuments: () => [],
    quota: new LeaseQuota(store, limits),
    sessionQuota: new SessionQuota(store, limits),
    wrappingQuota: new WrappingQuota(store),
    events: new EventStreams({ store, clock, log, state, limits }),
    changes: new ChangeStreams({ store, clock, log, state }),
    backups: undefined,
    configuration: undefined,
    publicLog: undefined,
    receivers: { isRequired: false, waitForReceivers: () => Promise.resolve() },
    archives: undefined,
    whoseBackups: 'none',
    wrappers: new RootKeyWrappers([], clock),
    audit: EMPTY_LOG,
    vetoes: { count: 0 },
    refusalCounts: { count: () => undefined },
    refusals: { admit: () => admission.open },
    denials: { admit: () => true },
    targets,
    people: new ConfiguredPeople(undefined, systemClock),
    ...alerting,
    consents: adminConsents({ ...options, ...recorded }),
    decoys: decoyAlarms({ ...alerting, ...recorded }),
    changedPods: new ChangedPods(),
    seenPods,
    sightings: seenPods,
    heldAlerts: { keep: () => Promise.resolve(), drain: () => Promise.resolve() },
    rotationsDue: new DueSignal(),
  };
}

function attested(clock: HandClock, cluster: string, token: string): AttestedWorkload {
  const claims = JSON.parse(token) as Claims & { bad?: string };
  if (claims.bad !== undefined)
    throw new BrokerError('ERR_TOKEN_INVALID', undefined, { reason: claims.bad });
  const { namespace = 'pay', serviceAccount = 'api', pod = POD, lifeMs = 3_600_000 } = claims;
  const workload: Workload = {
    cluster,
    namespace,
    serviceAccount,
    serviceAccountUid: `uid-${serviceAccount}`,
    ...(pod !== null && { pod }),
  };
  const now = clock.now();
  return {
    workload,
    tokenEndsAt: now + lifeMs,
    tokenIssuedAt: now,
    audiences: ['quaymaster'],
    tokenId: 'jti-1',
    method: 'jwks',
  };
}

function collector(logged: unknown[]): Log {
  const take = (fields: unknown, message: string): void => void logged.push({ fields, message });
  return { info: take, warn: take, error: take };
}

const EMPTY_LOG: AuditLog = {
  checkpoint: () => Promise.resolve(undefined),
  witnessed: () => Promise.resolve(undefined),
  search: () => Promise.resolve({ items: [] }),
  reads: () => Promise.resolve({ reads: [], unread: [] }),
  readers: () => Promise.resolve([]),
  oldest: () => Promise.resolve(undefined),
  proveEntry: () => Promise.reject(new BrokerError('ERR_NOT_FOUND')),
  logKey: () => Promise.resolve('key'),
  decisions: () => Promise.resolve({ items: [], skipped: [], entries: 0, reached: undefined }),
  heads: () => Promise.resolve([]),
  pending: () => Promise.resolve([]),
  truncation: () => Promise.resolve(undefined),
  async *archiveObjects() {
    await Promise.resolve();
    yield* [];
  },
  file: () => Promise.resolve(undefined),
};
