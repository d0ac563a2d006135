import type { ErrorCode } from '../errors.ts';
import { redactCredentials } from '../words/redact-credentials.ts';
import { encodeText, type TextDigest } from './audit-text.ts';
import type { FormatRow, OcsfClass } from './format-row.ts';

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
  /** Id of the operator token that was created or revoked, or of the wrapping token. */
  readonly token: string;
  /** `jti` of the presented service-account token. */
  readonly tokenId: string;
  /** Method that verified the caller: jwks, token-review, both, operator-token, …; of a new token: `dpop`, or `bearer` if the token alone is enough. */
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
  /** Step of the rotation: create, set, test, … */
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

/** One optional text member, with the comma before it. */
export const textFact = (name: string, value: string | undefined, digest: TextDigest): string =>
  value === undefined ? '' : `,"${name}":${encodeText(value, digest)}`;

/** Encodes a text that a caller may have chosen as an optional member: credentials are redacted. */
export const chosenFact = (name: string, value: string | undefined, digest: TextDigest): string =>
  textFact(name, value === undefined ? undefined : redactCredentials(value), digest);

/**
 * Encodes the text facts of an entry. Written out without a loop: reading properties by name doubles the time of an entry. `named` writes the names of
 * secrets.
 */
export function encodeTexts(
  facts: Partial<AuditFacts>,
  digest: TextDigest,
  named: typeof textFact,
): string {
  return (
    named('path', facts.path, digest) +
    named('version', facts.version, digest) +
    textFact('mount', facts.mount, digest) +
    (facts.locator ?? '') +
    textFact('lease', facts.lease, digest) +
    textFact('credential', facts.credential, digest) +
    textFact('session', facts.session, digest) +
    textFact('workload', facts.workload, digest) +
    textFact('fingerprint', facts.fingerprint, digest) +
    textFact('fieldFingerprints', facts.fieldFingerprints, digest) +
    textFact('token', facts.token, digest) +
    textFact('tokenId', facts.tokenId, digest) +
    textFact('method', facts.method, digest) +
    textFact('cause', facts.cause, digest) +
    chosenFact('comment', facts.comment, digest) +
    chosenFact('query', facts.query, digest) +
    textFact('rotation', facts.rotation, digest) +
    textFact('step', facts.step, digest) +
    textFact('requestedBy', facts.requestedBy, digest) +
    textFact('claimedUid', facts.claimedUid, digest) +
    textFact('reviewedUid', facts.reviewedUid, digest) +
    textFact('keyThumbprint', facts.keyThumbprint, digest) +
    textFact('quarantine', facts.quarantine, digest) +
    textFact('alert', facts.alert, digest) +
    textFact('approval', facts.approval, digest) +
    textFact('refused', facts.refused, digest) +
    textFact('posture', facts.posture, digest)
  );
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

/** Facts that a boot states about itself in the first entry of its chain; internals/spec/audit-log-v1.md, "Boots". */
export interface BootReference {
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

/** The origin of a released log, and the log that it continues; internals/spec/audit-log-v1.md, "Origins". */
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

/** The part of the log that a truncation moved to the archive; internals/spec/audit-archive-v1.md. */
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
/** `approval` is that of the elevation under which the document was written or ended. */
type OfDocument = With<'document', 'comment' | 'cause' | 'approval'>;
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
type OfCount = With<never, 'count'>;
type OfQuery = With<never, 'query' | 'count'>;
type OfSessionEnd = With<
  never,
  'session' | 'workload' | 'pod' | 'cause' | 'count' | 'comment' | 'query'
>;
type OfSecretList = With<'path', 'mount' | 'policy' | 'count'>;
type OfAcknowledgement = OfSecret<'cause' | 'comment' | 'count'>;
type OfCredential = OfSecret<'credential' | 'endsAt'>;
type OfVeto = With<'path' | 'workload', 'locator' | 'rotation' | 'step' | 'version'>;
type OfTokenCreation = With<
  never,
  'token' | 'method' | 'document' | 'endsAt' | 'comment' | 'keyThumbprint'
>;
type OfTokenEnd = With<never, 'token' | 'document' | 'cause' | 'comment'>;
/** The session and the workload are those that wrapped the answer; the path is that of the secret in it. */
type OfWrapping = With<
  never,
  'token' | 'path' | 'session' | 'workload' | 'endsAt' | 'query' | 'cause'
>;
/** The document is the cluster; `endsAt` is the end of the code or of the credential. */
type OfEnrolment = With<never, 'document' | 'endsAt' | 'cause'>;
/** `query` is the path at the other server, with its query. */
type OfShadowRead = With<never, 'query'>;
type OfDocumentCount = With<never, 'document' | 'count'>;
type OfExplanation = With<never, 'path' | 'policy' | 'query'>;
type OfArchive = With<never, 'query' | 'comment'>;
type OfTruncation = With<'archive' | 'count', 'comment'>;
type OfRefusals = With<'count' | 'since', 'last' | 'refused' | 'path'>;
type OfRelease = With<never, 'comment' | 'cause' | 'count' | 'log'>;

declare const facts: unique symbol;
/** Row of an action: its form in the formats of other systems, and the type of its facts. */
interface ActionRow<Facts> extends FormatRow {
  readonly [facts]?: Facts;
}

/** Makes a row. Without the type of its facts no event can have the action. */
const row = <Facts = never>(
  [ocsf, activity]: readonly [OcsfClass, number],
  severity: number,
  verb: string,
  resource: string,
): ActionRow<Facts> => ({ class: ocsf, activity, severity, verb, resource });

/** CRUD of the classes `api` and `entity`. */
const CREATE = 1;
const READ = 2;
const UPDATE = 3;
const DELETE = 4;
const OTHER = 99;
/** `authentication`. */
const LOGON = 1;
const LOGOFF = 2;
/** `account`. */
const ACCOUNT_CREATE = 1;
const PASSWORD_CHANGE = 3;
const ACCOUNT_DELETE = 6;
/** `entity`. */
const ENABLE = 8;
const ACTIVATE = 10;
const SUSPEND = 12;
/** `finding`: 2 is Update, as 1 is Create. */
const FINDING_UPDATE = 2;

/**
 * Every audited action, with the facts that its entries may have, its activity in OCSF, its severity in CEF, and its verb and resource in Kubernetes. A
 * new action is a new row here, in internals/spec/audit-log-v1.md and in internals/spec/audit-formats-v1.md.
 */
export const ACTION_ROWS = {
  'session.create': row<OfLogIn>(['authentication', LOGON], 3, 'create', 'sessions'),
  'session.renew': row<OfLogIn>(['authentication', OTHER], 2, 'update', 'sessions'),
  'session.read': row<With<never, 'session'>>(['api', READ], 1, 'get', 'sessions'),
  'session.end': row<OfSessionEnd>(['authentication', LOGOFF], 3, 'delete', 'sessions'),
  'session.list': row<OfCount>(['api', READ], 2, 'list', 'sessions'),
  'quarantine.create': row<OfQuarantine>(['finding', CREATE], 9, 'create', 'quarantines'),
  'quarantine.lift': row<OfQuarantine>(['entity', ENABLE], 7, 'delete', 'quarantines'),
  'quarantine.list': row<OfCount>(['api', READ], 2, 'list', 'quarantines'),
  'alert.receive': row<OfAlert>(['finding', CREATE], 6, 'create', 'alerts'),
  'alert.approve': row<OfAlert>(['finding', FINDING_UPDATE], 7, 'update', 'alerts'),
  'alert.dismiss': row<OfAlert>(['finding', FINDING_UPDATE], 5, 'update', 'alerts'),
  'alert.list': row<OfAlert>(['api', READ], 2, 'list', 'alerts'),
  'alert.respond': row<OfAlert>(['finding', FINDING_UPDATE], 7, 'update', 'alerts'),
  'incident.open': row<OfAlert>(['finding', CREATE], 9, 'create', 'incidents'),
  'incident.read': row<OfAlert>(['api', READ], 3, 'get', 'incidents'),
  'approval.request': row<OfApproval>(['entity', CREATE], 5, 'create', 'approvals'),
  'approval.approve': row<OfApproval>(['entity', ACTIVATE], 6, 'update', 'approvals'),
  'approval.deny': row<OfApproval>(['entity', UPDATE], 5, 'update', 'approvals'),
  'approval.withdraw': row<OfApproval>(['entity', UPDATE], 3, 'update', 'approvals'),
  'approval.use': row<OfApproval>(['entity', UPDATE], 6, 'update', 'approvals'),
  'approval.expire': row<OfApproval>(['entity', UPDATE], 2, 'update', 'approvals'),
  'approval.list': row<OfApproval>(['api', READ], 2, 'list', 'approvals'),
  'approval.require': row<OfApproval>(['entity', UPDATE], 5, 'update', 'approvals'),
  'attestation.push': row<OfAttestation>(['entity', CREATE], 4, 'create', 'attestations'),
  'attestation.list': row<OfAttestation>(['api', READ], 2, 'list', 'attestations'),
  'attestation.delete': row<OfAttestation>(['entity', DELETE], 5, 'delete', 'attestations'),
  'wrapping.create': row<OfWrapping>(['api', CREATE], 3, 'create', 'wrappings'),
  'wrapping.open': row<OfWrapping>(['api', READ], 3, 'get', 'wrappings'),
  'enrolment.create': row<OfEnrolment>(['entity', CREATE], 6, 'create', 'enrolments'),
  'enrolment.use': row<OfEnrolment>(['entity', ACTIVATE], 6, 'update', 'enrolments'),
  'enrolment.renew': row<OfEnrolment>(['entity', UPDATE], 2, 'update', 'enrolments'),
  'enrolment.end': row<OfEnrolment>(['entity', DELETE], 6, 'delete', 'enrolments'),
  'enrolment.list': row<OfCount>(['api', READ], 2, 'list', 'enrolments'),
  'shadow.read': row<OfShadowRead>(['api', READ], 3, 'get', 'shadows'),
  'secret.read': row<OfSecret<'endsAt' | 'comment'>>(['api', READ], 3, 'get', 'secrets'),
  'secret.list': row<OfSecretList>(['api', READ], 2, 'list', 'secrets'),
  'secret.write': row<OfSecret>(['api', UPDATE], 3, 'update', 'secrets'),
  'secret.describe': row<OfSecret<'count'>>(['api', UPDATE], 2, 'update', 'secrets'),
  'secret.delete': row<OfSecret<'endsAt'>>(['api', DELETE], 5, 'delete', 'secrets'),
  'secret.undelete': row<OfSecret>(['api', UPDATE], 4, 'update', 'secrets'),
  'secret.destroy': row<OfSecret<'count' | 'cause'>>(['api', DELETE], 6, 'delete', 'secrets'),
  'secret.acknowledge': row<OfAcknowledgement>(['api', UPDATE], 1, 'update', 'secrets'),
  'event.follow': row<OfNothing>(['api', READ], 1, 'watch', 'events'),
  'credential.issue': row<OfCredential>(['account', ACCOUNT_CREATE], 5, 'create', 'credentials'),
  'credential.revoke': row<OfLease>(['account', ACCOUNT_DELETE], 5, 'delete', 'credentials'),
  'lease.read': row<OfLease>(['api', READ], 1, 'get', 'leases'),
  'lease.list': row<OfLease>(['api', READ], 2, 'list', 'leases'),
  'lease.renew': row<OfLease>(['api', UPDATE], 2, 'update', 'leases'),
  'lease.revoke': row<OfLease>(['api', DELETE], 5, 'delete', 'leases'),
  'lease.expire': row<OfLease>(['api', DELETE], 1, 'delete', 'leases'),
  'pod.end': row<With<'pod', 'cause' | 'count'>>(['entity', DELETE], 2, 'delete', 'pods'),
  'rotation.start': row<OfRotation>(['account', PASSWORD_CHANGE], 3, 'create', 'rotations'),
  'rotation.step': row<OfRotation>(['account', PASSWORD_CHANGE], 3, 'update', 'rotations'),
  'rotation.end': row<OfRotation>(['account', PASSWORD_CHANGE], 5, 'update', 'rotations'),
  'rotation.veto': row<OfVeto>(['account', PASSWORD_CHANGE], 7, 'update', 'rotations'),
  'rotation.request': row<OfRotation>(['account', PASSWORD_CHANGE], 5, 'create', 'rotations'),
  'rotation.abort': row<OfRotation>(['account', PASSWORD_CHANGE], 5, 'delete', 'rotations'),
  'rotation.retry': row<OfRotation>(['account', PASSWORD_CHANGE], 4, 'update', 'rotations'),
  'rotation.retire': row<OfRotation>(['account', ACCOUNT_DELETE], 5, 'update', 'rotations'),
  'rotation.read': row<OfRotation>(['api', READ], 1, 'get', 'rotations'),
  'rotation.list': row<OfQuery>(['api', READ], 2, 'list', 'rotations'),
  'evidence.write': row<OfEvidence>(['entity', CREATE], 4, 'create', 'evidence'),
  'evidence.delete': row<OfEvidence>(['entity', DELETE], 4, 'delete', 'evidence'),
  'evidence.read': row<OfEvidence>(['api', READ], 2, 'get', 'evidence'),
  'document.read': row<OfDocument>(['entity', READ], 2, 'get', 'documents'),
  'document.write': row<OfDocument>(['entity', UPDATE], 5, 'update', 'documents'),
  'document.delete': row<OfDocument>(['entity', DELETE], 6, 'delete', 'documents'),
  'document.check': row<OfDocument>(['entity', READ], 2, 'get', 'documents'),
  'operator-token.create': row<OfTokenCreation>(['entity', CREATE], 6, 'create', 'operatortokens'),
  'operator-token.revoke': row<OfTokenEnd>(['entity', DELETE], 5, 'delete', 'operatortokens'),
  'operator-token.list': row<OfDocumentCount>(['api', READ], 2, 'list', 'operatortokens'),
  'security-key.register': row<OfSecurityKey>(['entity', CREATE], 6, 'create', 'securitykeys'),
  'security-key.prove': row<OfSecurityKey>(['authentication', LOGON], 3, 'update', 'securitykeys'),
  'security-key.remove': row<OfSecurityKey>(['entity', DELETE], 6, 'delete', 'securitykeys'),
  'security-key.list': row<OfSecurityKey>(['api', READ], 2, 'list', 'securitykeys'),
  'policy.validate': row<OfDocumentCount>(['api', READ], 1, 'get', 'policies'),
  'policy.explain': row<OfExplanation>(['api', READ], 2, 'get', 'policies'),
  'policy.replay': row<OfQuery>(['api', READ], 2, 'get', 'policies'),
  'audit.search': row<OfQuery>(['api', READ], 3, 'list', 'auditentries'),
  'audit.trace': row<OfQuery>(['api', READ], 5, 'list', 'auditentries'),
  'audit.export': row<OfQuery>(['api', READ], 5, 'get', 'auditentries'),
  'audit.archive': row<OfArchive>(['api', UPDATE], 5, 'update', 'auditentries'),
  'audit.truncate': row<OfTruncation>(['api', DELETE], 6, 'delete', 'auditentries'),
  'request.refused': row<With<never, 'path' | 'method'>>(['api', OTHER], 6, 'get', 'requests'),
  'request.refused_summary': row<OfRefusals>(['api', OTHER], 6, 'list', 'requests'),
  'backup.create': row<With<never, 'comment' | 'count'>>(['api', CREATE], 6, 'create', 'backups'),
  'backup.list': row<OfCount>(['api', READ], 2, 'list', 'backups'),
  'drill.record': row<With<'comment' | 'count'>>(['api', CREATE], 4, 'create', 'drills'),
  'config.read': row<OfNothing>(['api', READ], 2, 'get', 'configuration'),
  'config.reload': row<OfNothing>(['entity', UPDATE], 5, 'update', 'configuration'),
  'key.list': row<OfNothing>(['api', READ], 2, 'list', 'keys'),
  'key.rotate': row<OfKey>(['entity', UPDATE], 6, 'update', 'keys'),
  'key.activate': row<OfKey>(['entity', ACTIVATE], 6, 'update', 'keys'),
  'key.destroy': row<OfKey>(['entity', DELETE], 7, 'delete', 'keys'),
  'key.wrap': row<OfKey>(['entity', UPDATE], 6, 'update', 'keys'),
  'key.unwrap': row<OfKey>(['entity', READ], 6, 'get', 'keys'),
  'broker.start': row<With<'boot'>>(['entity', ENABLE], 4, 'create', 'brokers'),
  'broker.stop': row<With<never, 'cause'>>(['entity', UPDATE], 4, 'delete', 'brokers'),
  'broker.seal': row<OfNothing>(['entity', SUSPEND], 9, 'update', 'brokers'),
  'broker.release': row<OfRelease>(['entity', ENABLE], 9, 'update', 'brokers'),
  'broker.hold': row<With<'cause' | 'comment'>>(['finding', CREATE], 10, 'update', 'brokers'),
  'state.digest': row<With<'cause'>>(['entity', READ], 1, 'update', 'brokers'),
  recovery: row<With<'cause', 'comment' | 'count'>>(['entity', ENABLE], 5, 'update', 'brokers'),
};

export type AuditAction = keyof typeof ACTION_ROWS;
type FactsOf<Action extends AuditAction> =
  (typeof ACTION_ROWS)[Action] extends ActionRow<infer Facts> ? Facts : never;

/** All actions, so that a filter for an unknown one is refused: an empty result would look like "nothing happened". */
export const AUDIT_ACTIONS = Object.keys(ACTION_ROWS) as readonly AuditAction[];

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
  readonly [A in AuditAction]: EventFields<A> & FactsOf<A>;
}[AuditAction];
