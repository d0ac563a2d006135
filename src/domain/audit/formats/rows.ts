import type { AuditAction } from '../audit-actions.ts';

/** The classes of OCSF 1.8.0 that entries map to, with their category. */
export const OCSF_CLASSES = {
  api: { class: 6003, category: 6 },
  authentication: { class: 3002, category: 3 },
  /** Release 1.8.0 has no User Management (3007). */
  account: { class: 3001, category: 3 },
  entity: { class: 3004, category: 3 },
  finding: { class: 2004, category: 2 },
} as const;

export type OcsfClass = keyof typeof OCSF_CLASSES;

/** Values of one action in the formats of other systems. */
export interface FormatRow {
  readonly class: OcsfClass;
  /** `activity_id` of the class; 99: the action is its name. */
  readonly activity: number;
  /** CEF, 0 to 10, of a success. A refusal has at least 6, a failure at least 4. */
  readonly severity: number;
  /** Verb and resource of a Kubernetes audit event; the resource is also the category in CEF. */
  readonly verb: string;
  readonly resource: string;
}

const row = (
  [ocsf, activity]: readonly [OcsfClass, number],
  severity: number,
  verb: string,
  resource: string,
): FormatRow => ({ class: ocsf, activity, severity, verb, resource });

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

/** A row for each action of the log: an action without one does not compile. */
export const FORMAT_ROWS: Readonly<Record<AuditAction, FormatRow>> = {
  'session.create': row(['authentication', LOGON], 3, 'create', 'sessions'),
  'session.renew': row(['authentication', OTHER], 2, 'update', 'sessions'),
  'session.read': row(['api', READ], 1, 'get', 'sessions'),
  'session.end': row(['authentication', LOGOFF], 3, 'delete', 'sessions'),
  'session.list': row(['api', READ], 2, 'list', 'sessions'),
  'quarantine.create': row(['finding', CREATE], 9, 'create', 'quarantines'),
  'quarantine.lift': row(['entity', ENABLE], 7, 'delete', 'quarantines'),
  'quarantine.list': row(['api', READ], 2, 'list', 'quarantines'),
  'alert.receive': row(['finding', CREATE], 6, 'create', 'alerts'),
  'alert.approve': row(['finding', FINDING_UPDATE], 7, 'update', 'alerts'),
  'alert.dismiss': row(['finding', FINDING_UPDATE], 5, 'update', 'alerts'),
  'alert.list': row(['api', READ], 2, 'list', 'alerts'),
  'alert.respond': row(['finding', FINDING_UPDATE], 7, 'update', 'alerts'),
  'incident.open': row(['finding', CREATE], 9, 'create', 'incidents'),
  'incident.read': row(['api', READ], 3, 'get', 'incidents'),
  'approval.request': row(['entity', CREATE], 5, 'create', 'approvals'),
  'approval.approve': row(['entity', ACTIVATE], 6, 'update', 'approvals'),
  'approval.deny': row(['entity', UPDATE], 5, 'update', 'approvals'),
  'approval.withdraw': row(['entity', UPDATE], 3, 'update', 'approvals'),
  'approval.use': row(['entity', UPDATE], 6, 'update', 'approvals'),
  'approval.expire': row(['entity', UPDATE], 2, 'update', 'approvals'),
  'approval.list': row(['api', READ], 2, 'list', 'approvals'),
  'approval.require': row(['entity', UPDATE], 5, 'update', 'approvals'),
  'secret.read': row(['api', READ], 3, 'get', 'secrets'),
  'secret.list': row(['api', READ], 2, 'list', 'secrets'),
  'secret.write': row(['api', UPDATE], 3, 'update', 'secrets'),
  'secret.delete': row(['api', DELETE], 5, 'delete', 'secrets'),
  'secret.undelete': row(['api', UPDATE], 4, 'update', 'secrets'),
  'secret.destroy': row(['api', DELETE], 6, 'delete', 'secrets'),
  'secret.acknowledge': row(['api', UPDATE], 1, 'update', 'secrets'),
  'event.follow': row(['api', READ], 1, 'watch', 'events'),
  'credential.issue': row(['account', ACCOUNT_CREATE], 5, 'create', 'credentials'),
  'credential.revoke': row(['account', ACCOUNT_DELETE], 5, 'delete', 'credentials'),
  'lease.read': row(['api', READ], 1, 'get', 'leases'),
  'lease.list': row(['api', READ], 2, 'list', 'leases'),
  'lease.renew': row(['api', UPDATE], 2, 'update', 'leases'),
  'lease.revoke': row(['api', DELETE], 5, 'delete', 'leases'),
  'lease.expire': row(['api', DELETE], 1, 'delete', 'leases'),
  'pod.end': row(['entity', DELETE], 2, 'delete', 'pods'),
  'rotation.start': row(['account', PASSWORD_CHANGE], 3, 'create', 'rotations'),
  'rotation.step': row(['account', PASSWORD_CHANGE], 3, 'update', 'rotations'),
  'rotation.end': row(['account', PASSWORD_CHANGE], 5, 'update', 'rotations'),
  'rotation.veto': row(['account', PASSWORD_CHANGE], 7, 'update', 'rotations'),
  'rotation.request': row(['account', PASSWORD_CHANGE], 5, 'create', 'rotations'),
  'rotation.abort': row(['account', PASSWORD_CHANGE], 5, 'delete', 'rotations'),
  'rotation.retry': row(['account', PASSWORD_CHANGE], 4, 'update', 'rotations'),
  'rotation.retire': row(['account', ACCOUNT_DELETE], 5, 'update', 'rotations'),
  'rotation.read': row(['api', READ], 1, 'get', 'rotations'),
  'rotation.list': row(['api', READ], 2, 'list', 'rotations'),
  'document.read': row(['entity', READ], 2, 'get', 'documents'),
  'document.write': row(['entity', UPDATE], 5, 'update', 'documents'),
  'document.delete': row(['entity', DELETE], 6, 'delete', 'documents'),
  'document.check': row(['entity', READ], 2, 'get', 'documents'),
  'operator-token.create': row(['entity', CREATE], 6, 'create', 'operatortokens'),
  'operator-token.revoke': row(['entity', DELETE], 5, 'delete', 'operatortokens'),
  'operator-token.list': row(['api', READ], 2, 'list', 'operatortokens'),
  'security-key.register': row(['entity', CREATE], 6, 'create', 'securitykeys'),
  'security-key.prove': row(['authentication', LOGON], 3, 'update', 'securitykeys'),
  'security-key.remove': row(['entity', DELETE], 6, 'delete', 'securitykeys'),
  'security-key.list': row(['api', READ], 2, 'list', 'securitykeys'),
  'policy.validate': row(['api', READ], 1, 'get', 'policies'),
  'policy.explain': row(['api', READ], 2, 'get', 'policies'),
  'policy.replay': row(['api', READ], 2, 'get', 'policies'),
  'audit.search': row(['api', READ], 3, 'list', 'auditentries'),
  'audit.trace': row(['api', READ], 5, 'list', 'auditentries'),
  'audit.export': row(['api', READ], 5, 'get', 'auditentries'),
  'audit.archive': row(['api', UPDATE], 5, 'update', 'auditentries'),
  'audit.truncate': row(['api', DELETE], 6, 'delete', 'auditentries'),
  'request.refused': row(['api', OTHER], 6, 'get', 'requests'),
  'request.refused_summary': row(['api', OTHER], 6, 'list', 'requests'),
  'attestation.push': row(['entity', CREATE], 4, 'create', 'attestations'),
  'evidence.write': row(['entity', CREATE], 4, 'create', 'evidence'),
  'evidence.delete': row(['entity', DELETE], 4, 'delete', 'evidence'),
  'evidence.read': row(['api', READ], 2, 'get', 'evidence'),
  'attestation.list': row(['api', READ], 2, 'list', 'attestations'),
  'attestation.delete': row(['entity', DELETE], 5, 'delete', 'attestations'),
  'backup.create': row(['api', CREATE], 6, 'create', 'backups'),
  'backup.list': row(['api', READ], 2, 'list', 'backups'),
  'config.read': row(['api', READ], 2, 'get', 'configuration'),
  'config.reload': row(['entity', UPDATE], 5, 'update', 'configuration'),
  'key.list': row(['api', READ], 2, 'list', 'keys'),
  'key.rotate': row(['entity', UPDATE], 6, 'update', 'keys'),
  'key.activate': row(['entity', ACTIVATE], 6, 'update', 'keys'),
  'key.destroy': row(['entity', DELETE], 7, 'delete', 'keys'),
  'key.wrap': row(['entity', UPDATE], 6, 'update', 'keys'),
  'key.unwrap': row(['entity', READ], 6, 'get', 'keys'),
  'broker.start': row(['entity', ENABLE], 4, 'create', 'brokers'),
  'broker.stop': row(['entity', UPDATE], 4, 'delete', 'brokers'),
  'broker.seal': row(['entity', SUSPEND], 9, 'update', 'brokers'),
  'broker.release': row(['entity', ENABLE], 9, 'update', 'brokers'),
  'broker.hold': row(['finding', CREATE], 10, 'update', 'brokers'),
  'state.digest': row(['entity', READ], 1, 'update', 'brokers'),
  recovery: row(['entity', ENABLE], 5, 'update', 'brokers'),
};
