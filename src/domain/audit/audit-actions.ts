import type { ErrorCode } from '../errors.ts';

declare const encoded: unique symbol;
/** An encoded part of an entry. Only audit-event.ts makes them, so that no raw text gets into the log. */
type EncodedFragment<Name extends string> = string & { readonly [encoded]: Name };
/** The encoded actor; `encodeActor` makes it once for each session. */
export type EncodedActor = EncodedFragment<'actor'>;
/** The encoded client; `encodeClient` makes it once for each request. */
export type EncodedClient = EncodedFragment<'client'>;
/** The encoded locator; `encodeLocator` makes it once for each value. */
export type EncodedLocator = EncodedFragment<'locator'>;

/** `deny`: a rule, a proof or a limit refused the request. `error`: it failed for another reason. */
export const AUDIT_OUTCOMES = ['ok', 'deny', 'error'] as const;
type AuditOutcome = (typeof AUDIT_OUTCOMES)[number];

/** Facts that the log records of an event, in addition to the actor, the time and the outcome. */
export interface AuditFacts {
  /** A secret's path, or the prefix that was listed. */
  readonly path: string;
  readonly version: string;
  /** Prefix of the mount that served the request. */
  readonly mount: string;
  /** Place of the secret at the backend: paths that lead to the same place have the same locator. */
  readonly locator: EncodedLocator;
  /** Position in a batch, from 0: each item has an entry of its own. */
  readonly item: number;
  readonly lease: string;
  readonly credential: string;
  /** The session that was opened, renewed or ended; the caller is in the actor. */
  readonly session: string;
  /** Owner of the lease, credential or session, as `k8s://…`, if a system actor or an operator ends it. */
  readonly workload: string;
  /** The pod that ended, or the pod to which the ended lease or session belonged. */
  readonly pod: PodReference;
  readonly document: DocumentReference;
  /** The policy that decided. It is recorded for a denial too, although the response hides it. */
  readonly policy: PolicyReference;
  /** Findings of posture profiles at the caller's pod: `production: registry, image_not_pinned`. */
  readonly posture: string;
  /** Keyed digest of the value: traces a leaked value to its readers, and reveals nothing without the key. */
  readonly fingerprint: string;
  /** The keyed digest of each key of a secret of several keys: traces one leaked key. */
  readonly fieldFingerprints: string;
  /** Id of the operator token that was created or revoked. */
  readonly token: string;
  /** `jti` of the presented service-account token. */
  readonly tokenId: string;
  /** Method that verified the caller: jwks, token-review, both, operator-token, … */
  readonly method: string;
  /** Reason of the event, as a stable word: expired, revoked, pod_ended, unclean_stop, … */
  readonly cause: string;
  /** The operator's reason; untrusted text. */
  readonly comment: string;
  /** Number of names, items, leases or requests. */
  readonly count: number;
  /** Milliseconds since the epoch: the end of the session, lease or other right that was granted. */
  readonly endsAt: number;
  /** Milliseconds since the epoch: the first and the last of the refusals that a summary counts. */
  readonly since: number;
  readonly last: number;
  /** The refused action that a summary counts. */
  readonly refused: AuditAction;
  /** The search or export, as `name=value` words; untrusted text. */
  readonly query: string;
  /** Id of the rotation or drill. */
  readonly rotation: string;
  /** Its step: create, set, test, … */
  readonly step: string;
  /** The requester: an operator's name, a workload, or `schedule`. */
  readonly requestedBy: string;
  /** UID of the service account according to a token that the API server accepted for another account, whose UID is `reviewedUid`. */
  readonly claimedUid: string;
  readonly reviewedUid: string;
  /** RFC 7638 thumbprint of the key that the session is bound to. */
  readonly keyThumbprint: string;
  /** The quarantine that was created or lifted, or that refused a login. */
  readonly quarantine: string;
  /** The alert received or answered, and the alert that caused a quarantine or the end of sessions. */
  readonly alert: string;
  /** The approval requested, decided or used. */
  readonly approval: string;
  readonly boot: BootReference;
  /** The origin that a released log opens. */
  readonly log: OriginReference;
  readonly archive: ArchiveReference;
}

export interface PodReference {
  readonly cluster: string;
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

export interface DocumentReference {
  readonly kind: string;
  readonly name: string;
  readonly version?: number | undefined;
}

export interface PolicyReference {
  readonly name: string;
  readonly version: number;
  readonly rule: string;
}

/** Facts that a boot states about itself in the first entry of its chain; docs/spec/audit-log-v1.md, "Boots". */
export interface BootReference {
  /** Release of the broker. */
  readonly release: string;
  /** Raw Ed25519 public key of this boot, base64. */
  readonly key: string;
  /** The log key's signature over writer and key, base64. */
  readonly endorsement: string;
  /** The tree that this boot found: all earlier entries are covered by it. */
  readonly treeSize: number;
  /** Base64; empty if the tree is empty. */
  readonly treeRoot: string;
  /** Heads of chains that continued after that tree. */
  readonly heads: readonly HeadReference[];
}

/** The origin of a released log, and the log that it continues; docs/spec/audit-log-v1.md, "Origins". */
export interface OriginReference {
  readonly origin: string;
  /** The last checkpoint of the earlier origin. The log continues after its entries. */
  readonly previous: CheckpointReference;
  /** The newest known checkpoint whose entries this log does not have. */
  readonly abandoned?: CheckpointReference | undefined;
}

export interface CheckpointReference {
  readonly origin: string;
  readonly size: number;
  /** Base64. */
  readonly root: string;
}

export interface HeadReference {
  readonly writer: string;
  readonly seq: number;
  /** SHA-256 of the entry `seq`, hexadecimal. */
  readonly head: string;
}

/** The part of the log that a truncation moved to the archive; docs/spec/audit-archive-v1.md. */
export interface ArchiveReference {
  /** Entries `[first, end)`. */
  readonly first: number;
  readonly end: number;
  /** Root of the tree over the first `end` entries, base64. */
  readonly root: string;
  /** The directory or bucket. */
  readonly place: string;
  /** Objects in the order of the log: the first one begins at `first`, each other one at the `end` of its predecessor. */
  readonly objects: readonly ArchivedObject[];
}

export interface ArchivedObject {
  readonly name: string;
  readonly end: number;
  /** SHA-256 of the bytes, hexadecimal. */
  readonly sha256: string;
}

type Fact = keyof AuditFacts;
type With<Needed extends Fact, Known extends Fact = never> = Pick<AuditFacts, Needed> & {
  readonly [F in Known]?: AuditFacts[F] | undefined;
};
/** Facts of an action on a secret: the path is always known, the others depend on how far the request was processed. */
type OfSecret<Known extends Fact = never> = With<
  'path',
  | 'version'
  | 'mount'
  | 'locator'
  | 'item'
  | 'policy'
  | 'posture'
  | 'fingerprint'
  | 'fieldFingerprints'
  | 'lease'
  | Known
>;
type OfLease = With<
  never,
  | 'lease'
  | 'path'
  | 'version'
  | 'mount'
  | 'session'
  | 'workload'
  | 'pod'
  | 'credential'
  | 'cause'
  | 'comment'
  | 'count'
  | 'endsAt'
  | 'posture'
>;
type OfLogIn = With<
  never,
  | 'session'
  | 'tokenId'
  | 'method'
  | 'endsAt'
  | 'claimedUid'
  | 'reviewedUid'
  | 'keyThumbprint'
  | 'workload'
  | 'pod'
  | 'quarantine'
  | 'posture'
>;
type OfDocument = With<'document', 'comment' | 'cause'>;
/** The document is the evidence by its id; `query` is `kind scanner digest`, `count` the findings. */
type OfEvidence = With<never, 'document' | 'query' | 'count' | 'cause'>;
type OfRotation = With<
  'path',
  | 'locator'
  | 'rotation'
  | 'step'
  | 'requestedBy'
  | 'version'
  | 'cause'
  | 'comment'
  | 'count'
  | 'policy'
>;
type OfQuarantine = With<
  never,
  'quarantine' | 'alert' | 'workload' | 'pod' | 'document' | 'comment' | 'cause' | 'endsAt'
>;
/** The source, the rule and the priority are in `query`. */
type OfAlert = With<
  never,
  | 'alert'
  | 'workload'
  | 'pod'
  | 'path'
  | 'version'
  | 'query'
  | 'cause'
  | 'comment'
  | 'count'
  | 'posture'
>;
/** Facts about an approval. It grants a document, or a role that is in `query`. */
type OfApproval = With<
  never,
  'approval' | 'document' | 'requestedBy' | 'query' | 'comment' | 'cause' | 'endsAt'
>;
/** The document is the attestation; `query` has the digest of its image and its type. */
type OfAttestation = With<never, 'document' | 'query' | 'comment' | 'cause' | 'count'>;
/** The document is the person, the query names the key. */
type OfSecurityKey = With<never, 'document' | 'query' | 'comment' | 'count'>;
/** The document is the root key (`root-key`), or the key-encryption key (`kek`). */
type OfKey = With<never, 'document' | 'comment' | 'cause' | 'count'>;
type OfNothing = With<never, 'comment' | 'cause' | 'count'>;

/** Every audited action and the facts that go with it. A new action is a new row here and in docs/spec/audit-log-v1.md. */
interface AuditActions {
  'session.create': OfLogIn;
  'session.renew': OfLogIn;
  'session.read': With<never, 'session'>;
  'session.end': With<
    never,
    'session' | 'workload' | 'pod' | 'cause' | 'count' | 'comment' | 'query'
  >;
  'session.list': With<never, 'count'>;
  'quarantine.create': OfQuarantine;
  'quarantine.lift': OfQuarantine;
  'quarantine.list': With<never, 'count'>;
  'alert.receive': OfAlert;
  'alert.approve': OfAlert;
  'alert.dismiss': OfAlert;
  'alert.list': OfAlert;
  'alert.respond': OfAlert;
  'incident.open': OfAlert;
  'incident.read': OfAlert;
  'approval.request': OfApproval;
  'approval.approve': OfApproval;
  'approval.deny': OfApproval;
  'approval.withdraw': OfApproval;
  'approval.use': OfApproval;
  'approval.expire': OfApproval;
  'approval.list': OfApproval;
  'approval.require': OfApproval;
  'attestation.push': OfAttestation;
  'attestation.list': OfAttestation;
  'attestation.delete': OfAttestation;
  'secret.read': OfSecret<'endsAt'>;
  'secret.list': With<'path', 'mount' | 'policy' | 'count'>;
  'secret.write': OfSecret;
  'secret.delete': OfSecret<'endsAt'>;
  'secret.undelete': OfSecret;
  'secret.destroy': OfSecret<'count' | 'cause'>;
  'secret.acknowledge': OfSecret<'cause' | 'comment' | 'count'>;
  'event.follow': OfNothing;
  'credential.issue': OfSecret<'credential' | 'endsAt'>;
  'credential.revoke': OfLease;
  'lease.read': OfLease;
  'lease.list': OfLease;
  'lease.renew': OfLease;
  'lease.revoke': OfLease;
  'lease.expire': OfLease;
  'pod.end': With<'pod', 'cause' | 'count'>;
  'rotation.start': OfRotation;
  'rotation.step': OfRotation;
  'rotation.end': OfRotation;
  'rotation.veto': With<'path' | 'workload', 'locator' | 'rotation' | 'step' | 'version'>;
  'rotation.request': OfRotation;
  'rotation.abort': OfRotation;
  'rotation.retry': OfRotation;
  'rotation.retire': OfRotation;
  'rotation.read': OfRotation;
  'rotation.list': With<never, 'count' | 'query'>;
  'evidence.write': OfEvidence;
  'evidence.delete': OfEvidence;
  'evidence.read': OfEvidence;
  'document.read': OfDocument;
  'document.write': OfDocument;
  'document.delete': OfDocument;
  'document.check': OfDocument;
  'operator-token.create': With<never, 'token' | 'document' | 'endsAt' | 'comment'>;
  'operator-token.revoke': With<never, 'token' | 'document' | 'cause' | 'comment'>;
  'operator-token.list': With<never, 'document' | 'count'>;
  'security-key.register': OfSecurityKey;
  'security-key.prove': OfSecurityKey;
  'security-key.remove': OfSecurityKey;
  'security-key.list': OfSecurityKey;
  'policy.validate': With<never, 'document' | 'count'>;
  'policy.explain': With<never, 'path' | 'policy' | 'query'>;
  'policy.replay': With<never, 'query' | 'count'>;
  'audit.search': With<never, 'query' | 'count'>;
  'audit.trace': With<never, 'query' | 'count'>;
  'audit.export': With<never, 'query' | 'count'>;
  'audit.archive': With<never, 'query' | 'comment'>;
  'audit.truncate': With<'archive' | 'count', 'comment'>;
  'request.refused': With<never, 'path' | 'method'>;
  'request.refused_summary': With<'count' | 'since', 'last' | 'refused' | 'path'>;
  'backup.create': With<never, 'comment' | 'count'>;
  'backup.list': With<never, 'count'>;
  'config.read': OfNothing;
  'config.reload': OfNothing;
  'key.list': OfNothing;
  'key.rotate': OfKey;
  'key.activate': OfKey;
  'key.destroy': OfKey;
  'key.wrap': OfKey;
  'key.unwrap': OfKey;
  'broker.start': With<'boot'>;
  'broker.stop': With<never, 'cause'>;
  'broker.seal': OfNothing;
  'broker.release': With<never, 'comment' | 'cause' | 'count' | 'log'>;
  'broker.hold': With<'cause' | 'comment'>;
  'state.digest': With<'cause'>;
  recovery: With<'cause', 'comment' | 'count'>;
}

export type AuditAction = keyof AuditActions;

const KNOWN_ACTIONS: Readonly<Record<AuditAction, true>> = {
  'session.create': true,
  'session.renew': true,
  'session.read': true,
  'session.end': true,
  'session.list': true,
  'quarantine.create': true,
  'quarantine.lift': true,
  'quarantine.list': true,
  'alert.receive': true,
  'alert.approve': true,
  'alert.dismiss': true,
  'alert.list': true,
  'alert.respond': true,
  'incident.open': true,
  'incident.read': true,
  'approval.request': true,
  'approval.approve': true,
  'approval.deny': true,
  'approval.withdraw': true,
  'approval.use': true,
  'approval.expire': true,
  'approval.list': true,
  'approval.require': true,
  'attestation.push': true,
  'attestation.list': true,
  'attestation.delete': true,
  'secret.read': true,
  'secret.list': true,
  'secret.write': true,
  'secret.delete': true,
  'secret.undelete': true,
  'secret.destroy': true,
  'secret.acknowledge': true,
  'event.follow': true,
  'credential.issue': true,
  'credential.revoke': true,
  'lease.read': true,
  'lease.list': true,
  'lease.renew': true,
  'lease.revoke': true,
  'lease.expire': true,
  'pod.end': true,
  'rotation.start': true,
  'rotation.step': true,
  'rotation.end': true,
  'rotation.veto': true,
  'rotation.request': true,
  'rotation.abort': true,
  'rotation.retry': true,
  'rotation.retire': true,
  'rotation.read': true,
  'rotation.list': true,
  'evidence.write': true,
  'evidence.delete': true,
  'evidence.read': true,
  'document.read': true,
  'document.write': true,
  'document.delete': true,
  'document.check': true,
  'operator-token.create': true,
  'operator-token.revoke': true,
  'operator-token.list': true,
  'security-key.register': true,
  'security-key.prove': true,
  'security-key.remove': true,
  'security-key.list': true,
  'policy.validate': true,
  'policy.explain': true,
  'policy.replay': true,
  'audit.search': true,
  'audit.trace': true,
  'audit.export': true,
  'audit.archive': true,
  'audit.truncate': true,
  'request.refused': true,
  'request.refused_summary': true,
  'backup.create': true,
  'backup.list': true,
  'config.read': true,
  'config.reload': true,
  'key.list': true,
  'key.rotate': true,
  'key.activate': true,
  'key.destroy': true,
  'key.wrap': true,
  'key.unwrap': true,
  'broker.start': true,
  'broker.stop': true,
  'broker.seal': true,
  'broker.release': true,
  'broker.hold': true,
  'state.digest': true,
  recovery: true,
};
/** All actions, so that a filter for an unknown one is refused: an empty result would look like "nothing happened". */
export const AUDIT_ACTIONS = Object.keys(KNOWN_ACTIONS) as readonly AuditAction[];

interface EventFields<Action extends AuditAction> {
  /** Milliseconds since the epoch, by the broker's wall clock. */
  readonly time: number;
  /** An id that the broker assigns, never the client's. System actors have one for each piece of work. */
  readonly requestId: string;
  readonly actor: EncodedActor;
  readonly action: Action;
  readonly outcome: AuditOutcome;
  /** The error code of the answer. */
  readonly code?: ErrorCode | undefined;
  /** A stable word that the response does not show: bad_alg, no_rule, quota, … */
  readonly reason?: string | undefined;
  readonly client?: EncodedClient | undefined;
}

/** One audited event. Holds no secret value, no token and no text of a backend. */
export type AuditEvent = {
  readonly [A in AuditAction]: EventFields<A> & AuditActions[A];
}[AuditAction];
