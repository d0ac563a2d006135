import type { AuditEvent, EncodedActor } from '../../domain/audit/audit-event.ts';
import type { ClusterSpec } from '../../domain/identity/cluster.ts';
import type { CheckReport } from '../../ports/secret-provider.ts';
import type { TextDigest } from '../../domain/audit/audit-text.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Log } from '../../ports/log.ts';
import type { PeopleIssuer, SecurityKeyVerifier } from '../../ports/people.ts';
import type { NamespaceFacts, PodWatch } from '../../ports/pod-watch.ts';
import type { RefusalCounts, RefusalTally } from '../../ports/refusal-tally.ts';
import type { Store } from '../../ports/store.ts';
import type { Trace } from '../../ports/trace.ts';
import type { WorkloadAuthenticator } from '../../ports/workload-authenticator.ts';
import type { Keyring } from '../../crypto/keys/keyring.ts';
import type { Fitness } from './fitness.ts';
import type { LeaseQuota } from './lease-quota.ts';
import type { SessionQuota } from './session-quota.ts';
import type { Catalog } from './catalog.ts';
import type { Connections } from './connections.ts';
import type { DueSignal } from '../kernel/due-signal.ts';
import type { Turns } from '../kernel/turns.ts';
import type { Quarantines } from './quarantine-memory.ts';
import type { MetadataMemory } from './metadata-memory.ts';
import type { OperatorTokens } from './operator-token-memory.ts';
import type { RotationTargets } from './rotation-targets.ts';
import type { Sessions } from './session-memory.ts';
import type { State } from './change-follower.ts';
import type { CanaryValues, ValueCache } from './value-cache.ts';
import type { WrappingQuota } from './wrapping-quota.ts';

/** Bounds that the configuration file may change. */
export interface Limits {
  readonly batchItems: number;
  readonly leasesPerWorkload: number;
  readonly sessionsPerPod: number;
  readonly sessionsPerWorkload: number;
  readonly maxSessionSeconds: number;
  readonly maxValueBytes: number;
  readonly eventStreams: number;
}

/** The registered clusters in use. Each has one authenticator and one watch, created and closed as cluster documents change. */
export interface Clusters {
  /** Finds the authenticator of a cluster. @throws ERR_IDENTITY_UNAVAILABLE if its connection is not configured. */
  authenticator(name: string): WorkloadAuthenticator | undefined;
  watch(name: string): PodWatch | undefined;
  namespaces(name: string): NamespaceFacts | undefined;
  /** The reason why this cluster cannot be served: its connection is missing or of another kind. */
  problem(spec: ClusterSpec): string | undefined;
  /** Asks a registered cluster for what logins and watches need there; undefined if it is not served. */
  check(name: string): Promise<CheckReport> | undefined;
  /** Explains why no cluster can use a connection of this name; undefined if one can. */
  connectionProblem(name: string): string | undefined;
}

/** The database, and the time by which rows begin and end. */
export interface Storage {
  readonly store: Store;
  readonly clock: Clock;
}

/** Commits decisions with their audit entries, and records or counts refusals. */
export interface Recording extends Storage {
  readonly state: State;
  readonly digest: TextDigest;
  /** Refusals of requests without a known caller. */
  readonly refusals: RefusalTally;
  /** Refusals and failures of identified callers. */
  readonly denials: RefusalTally;
  readonly refusalCounts: RefusalCounts;
  /** Traces; absent unless the configuration has them. */
  readonly trace?: Trace | undefined;
}

/** Groups for the decision what a caller may do on a path. */
export interface Rights {
  readonly clock: Clock;
  readonly catalog: Catalog;
  readonly clusters: Clusters;
  readonly fitness: Fitness;
}

/** Groups that find a caller in its current state, and decide what it may do. */
export interface Access extends Rights {
  readonly sessions: Sessions;
  readonly tokens: OperatorTokens;
  readonly quarantines: Quarantines;
}

/** Finds the mount and definition of a path, and calls the system behind it. */
export interface Backends {
  readonly clock: Clock;
  readonly log: Log;
  readonly catalog: Catalog;
  readonly connections: Connections;
  readonly targets: RotationTargets;
}

/** Keys that encrypt values and cursors of this installation. */
export interface Keys {
  readonly keyring: Keyring;
  readonly installation: string;
}

/** Current values and custom metadata in memory, and the values that canary pods get before all others. */
export interface Values {
  readonly values: ValueCache;
  readonly metadata: MetadataMemory;
  readonly canaries: CanaryValues;
}

/** Bounds on requests, sessions and leases. */
export interface Bounds {
  readonly limits: Limits;
  readonly quota: LeaseQuota;
  readonly sessionQuota: SessionQuota;
  readonly wrappingQuota: WrappingQuota;
}

/** Logins of people at the issuers of the configuration. */
export interface People {
  readonly people: {
    readonly issuers: ReadonlyMap<string, PeopleIssuer>;
    readonly sessionSeconds: number;
    readonly idleSeconds: number;
    /** Requirements that dangerous operations have on a login. */
    readonly stepUp: {
      readonly maxAgeSeconds: number;
      readonly acr: readonly string[];
      /** Reading values is one of them. */
      readonly secretReads: boolean;
    };
    /** Turns of issuers: a device login is counted when the one before it is stored. */
    readonly deviceTurns: Turns;
    /** Verifier of security keys; undefined without a public URL in the configuration. */
    readonly securityKeys: SecurityKeyVerifier | undefined;
  };
}

/** Background work, above all rotations. */
export interface Work {
  readonly log: Log;
  /** Notifies the scheduler when a rotation or a schedule changes, because the next due time may be earlier. */
  readonly rotationsDue: DueSignal;
  /** Rotations that holders vetoed since the process started. */
  readonly vetoes: { count: number };
  /** Function of test builds: called with the name of a point in a rotation, where the process crashes, throws or blocks. */
  readonly failpoint?: ((name: string) => void | Promise<void>) | undefined;
}

/** An event without the fields that the recorder adds. */
export type Recordable = AuditEvent extends infer E
  ? E extends AuditEvent
    ? Omit<E, 'time' | 'requestId' | 'actor' | 'client'> & { readonly actor?: EncodedActor }
    : never
  : never;
