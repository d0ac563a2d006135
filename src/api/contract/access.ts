import type { AuditAction } from '../../domain/audit/audit-event.ts';
import { ALERT_ROWS } from './access-alerts.ts';
import { ROLES, type Role } from '../../domain/identity/principal.ts';
import { documents } from './document-rows.ts';

/** The facts of one operation. `{path}` alone matches across slashes. */
export interface Operation {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  readonly path: string;
  /** `public` needs no token; `caller` is a workload by its policies or role bindings, or an operator by its roles. */
  readonly who: 'public' | 'workload' | 'operator' | 'caller';
  /** Roles of which an operator needs one, within its scope; the use case checks them. Workloads have policies instead. */
  readonly roles: readonly Role[];
  /** The cost of one request in the rate limit of its caller; a batch costs this for each item. */
  readonly weight: number;
  /** A person needs a recent login for it. */
  readonly isDangerous: boolean;
  /** The audit action. Undefined if the operation names no workload, path or version: then only refusals are recorded. */
  readonly action: AuditAction | undefined;
}

type Row = readonly [
  Operation['method'],
  string,
  Operation['who'],
  readonly Role[],
  number,
  AuditAction | undefined,
];

const NO_ROLES: readonly Role[] = [];
const ADMIN: readonly Role[] = ['admin'];
const POLICIES: readonly Role[] = ['policy-editor', 'admin'];
const EXPLAINERS: readonly Role[] = ['policy-editor', 'auditor', 'admin'];
const EDITORS: readonly Role[] = ['secret-editor', 'admin'];
const WRITERS: readonly Role[] = ['policy-editor', 'secret-editor', 'admin'];
const LISTERS: readonly Role[] = ['secret-reader', 'secret-editor', 'admin'];
const LEASES: readonly Role[] = ['responder', 'auditor', 'admin'];
const RESPONDERS: readonly Role[] = ['responder', 'admin'];
const PUSHERS: readonly Role[] = ['evidence-writer', 'admin'];
const TURNERS: readonly Role[] = ['rotator', 'admin'];
const ROTATORS: readonly Role[] = ['rotator', 'auditor', 'admin'];
const AUDITORS: readonly Role[] = ['auditor', 'admin'];
const VIEW: readonly Role[] = ['evidence-writer', 'policy-editor', ...LEASES];
/** Roles of operations for any operator: reading metrics, and seeing and revoking its own tokens. */
const ANY: readonly Role[] = ROLES;

const KEYS_OF_PEOPLE = '/api/v1/security-keys';

/** All operations. The router is made from these rows, so an operation without a row cannot be called. The most frequent one is first. */
const ROWS = {
  readSecret: ['GET', '/api/v1/secrets/{path}', 'caller', ['secret-reader'], 1, 'secret.read'],
  createSession: ['POST', '/api/v1/sessions', 'public', NO_ROLES, 1, 'session.create'],
  listSessions: ['GET', '/api/v1/sessions', 'operator', LEASES, 5, 'session.list'],
  endSessions: ['POST', '/api/v1/sessions:end', 'operator', RESPONDERS, 10, 'session.end'],
  readSession: ['GET', '/api/v1/sessions/self', 'workload', NO_ROLES, 1, 'session.read'],
  renewSession: ['POST', '/api/v1/sessions/self/renew', 'workload', NO_ROLES, 5, 'session.renew'],
  endSession: ['DELETE', '/api/v1/sessions/self', 'workload', NO_ROLES, 1, 'session.end'],
  readSecrets: ['POST', '/api/v1/secrets:batch', 'caller', ['secret-reader'], 1, 'secret.read'],
  listSecrets: ['GET', '/api/v1/secrets', 'caller', LISTERS, 5, 'secret.list'],
  writeSecret: ['PUT', '/api/v1/secrets/{path}', 'caller', EDITORS, 5, 'secret.write'],
  patchSecret: ['POST', '/api/v1/secrets/{path}:patch', 'caller', EDITORS, 5, 'secret.write'],
  deleteSecret: ['DELETE', '/api/v1/secrets/{path}', 'caller', EDITORS, 5, 'secret.delete'],
  undeleteSecret: [
    'POST',
    '/api/v1/secrets/{path}:undelete',
    'caller',
    EDITORS,
    5,
    'secret.undelete',
  ],
  destroySecret: ['POST', '/api/v1/secrets/{path}:destroy', 'caller', EDITORS, 5, 'secret.destroy'],
  listSecretVersions: [
    'GET',
    '/api/v1/secret-versions/{path}',
    'caller',
    LISTERS,
    5,
    'secret.list',
  ],
  issueCredential: [
    'POST',
    '/api/v1/credentials/{path}',
    'workload',
    NO_ROLES,
    10,
    'credential.issue',
  ],
  acknowledge: ['POST', '/api/v1/acknowledgements', 'workload', NO_ROLES, 1, 'secret.acknowledge'],
  followEvents: ['GET', '/api/v1/events', 'workload', NO_ROLES, 10, 'event.follow'],
  listRotations: ['GET', '/api/v1/rotations', 'operator', ROTATORS, 5, 'rotation.list'],
  readRotation: ['GET', '/api/v1/rotations/{path}', 'caller', ROTATORS, 5, 'rotation.read'],
  readRotationHistory: [
    'GET',
    '/api/v1/rotation-history/{path}',
    'caller',
    ROTATORS,
    5,
    'rotation.read',
  ],
  runRotation: ['POST', '/api/v1/rotations/{path}:run', 'caller', TURNERS, 10, 'rotation.request'],
  drillRotation: [
    'POST',
    '/api/v1/rotations/{path}:drill',
    'caller',
    TURNERS,
    10,
    'rotation.request',
  ],
  retryRotation: ['POST', '/api/v1/rotations/{path}:retry', 'caller', TURNERS, 5, 'rotation.retry'],
  abortRotation: ['POST', '/api/v1/rotations/{path}:abort', 'caller', TURNERS, 5, 'rotation.abort'],
  rollBackRotation: [
    'POST',
    '/api/v1/rotations/{path}:rollback',
    'caller',
    TURNERS,
    5,
    'rotation.abort',
  ],
  retireRotation: [
    'POST',
    '/api/v1/rotations/{path}:retire',
    'caller',
    TURNERS,
    5,
    'rotation.retire',
  ],
  listLeases: ['GET', '/api/v1/leases', 'operator', LEASES, 5, 'lease.list'],
  readLease: ['GET', '/api/v1/leases/{id}', 'caller', LEASES, 1, 'lease.read'],
  releaseLease: ['DELETE', '/api/v1/leases/{id}', 'workload', NO_ROLES, 1, 'lease.revoke'],
  renewLease: ['POST', '/api/v1/leases/{id}/renew', 'workload', NO_ROLES, 2, 'lease.renew'],
  revokeLeases: ['POST', '/api/v1/leases:revoke', 'operator', RESPONDERS, 10, 'lease.revoke'],
  listRevocations: ['GET', '/api/v1/revocations', 'operator', LEASES, 5, 'lease.list'],
  retryRevocation: [
    'POST',
    '/api/v1/revocations/{id}:retry',
    'operator',
    RESPONDERS,
    5,
    'credential.revoke',
  ],
  seal: ['POST', '/api/v1/seal', 'operator', RESPONDERS, 10, 'broker.seal'],
  createQuarantine: [
    'POST',
    '/api/v1/quarantines',
    'operator',
    RESPONDERS,
    10,
    'quarantine.create',
  ],
  listQuarantines: ['GET', '/api/v1/quarantines', 'operator', LEASES, 5, 'quarantine.list'],
  liftQuarantine: [
    'DELETE',
    '/api/v1/quarantines/{id}',
    'operator',
    RESPONDERS,
    5,
    'quarantine.lift',
  ],
  ...ALERT_ROWS,
  requestBreakGlass: [
    'POST',
    '/api/v1/approvals:break-glass',
    'operator',
    ANY,
    10,
    'approval.request',
  ],
  listApprovals: ['GET', '/api/v1/approvals', 'operator', ANY, 5, 'approval.list'],
  readApproval: ['GET', '/api/v1/approvals/{id}', 'operator', ANY, 1, 'approval.list'],
  approveRequest: [
    'POST',
    '/api/v1/approvals/{id}:approve',
    'operator',
    ADMIN,
    10,
    'approval.approve',
  ],
  denyRequest: ['POST', '/api/v1/approvals/{id}:deny', 'operator', ADMIN, 5, 'approval.deny'],
  withdrawRequest: ['DELETE', '/api/v1/approvals/{id}', 'operator', ANY, 5, 'approval.withdraw'],
  requireApprovals: [
    'POST',
    '/api/v1/approvals:require',
    'operator',
    ADMIN,
    10,
    'approval.require',
  ],
  pushAttestation: ['POST', '/api/v1/attestations', 'caller', PUSHERS, 10, 'attestation.push'],
  listAttestations: ['GET', '/api/v1/attestations', 'operator', VIEW, 5, 'attestation.list'],
  readAttestation: ['GET', '/api/v1/attestations/{id}', 'operator', VIEW, 5, 'attestation.list'],
  deleteAttestation: [
    'DELETE',
    '/api/v1/attestations/{id}',
    'operator',
    RESPONDERS,
    5,
    'attestation.delete',
  ],
  ...documents('Policy', 'Policies', 'policies', POLICIES),
  validatePolicy: ['POST', '/api/v1/policies:validate', 'operator', POLICIES, 5, 'policy.validate'],
  explainDecision: [
    'POST',
    '/api/v1/policies:explain',
    'operator',
    EXPLAINERS,
    10,
    'policy.explain',
  ],
  explainEntry: [
    'POST',
    '/api/v1/policies:explain-entry',
    'operator',
    AUDITORS,
    20,
    'policy.explain',
  ],
  replayPolicies: ['POST', '/api/v1/policies:replay', 'operator', EXPLAINERS, 200, 'policy.replay'],
  explainPosture: ['POST', '/api/v1/posture:explain', 'operator', EXPLAINERS, 10, 'policy.explain'],
  surveyPosture: ['POST', '/api/v1/posture:survey', 'operator', EXPLAINERS, 50, 'policy.explain'],
  listEvidence: ['GET', '/api/v1/evidence', 'operator', VIEW, 5, 'evidence.read'],
  pushEvidence: ['POST', '/api/v1/evidence', 'caller', PUSHERS, 20, 'evidence.write'],
  readEvidence: ['GET', '/api/v1/evidence/{id}', 'operator', VIEW, 5, 'evidence.read'],
  deleteEvidence: ['DELETE', '/api/v1/evidence/{id}', 'operator', PUSHERS, 5, 'evidence.delete'],
  ...documents('Cluster', 'Clusters', 'clusters', ADMIN),
  ...documents('Mount', 'Mounts', 'mounts', ADMIN),
  checkMount: ['POST', '/api/v1/mounts/{name}:check', 'operator', RESPONDERS, 20, 'document.check'],
  listDefinitions: ['GET', '/api/v1/definitions', 'operator', EDITORS, 5, 'document.read'],
  readDefinition: ['GET', '/api/v1/definitions/{path}', 'operator', EDITORS, 1, 'document.read'],
  putDefinition: ['PUT', '/api/v1/definitions/{path}', 'operator', EDITORS, 10, 'document.write'],
  deleteDefinition: [
    'DELETE',
    '/api/v1/definitions/{path}',
    'operator',
    EDITORS,
    10,
    'document.delete',
  ],
  listDefinitionVersions: [
    'GET',
    '/api/v1/definition-versions/{path}',
    'operator',
    EDITORS,
    5,
    'document.read',
  ],
  ...documents('Operator', 'Operators', 'operators', ADMIN),
  ...documents('RoleBinding', 'RoleBindings', 'role-bindings', ADMIN),
  ...documents('PostureProfile', 'PostureProfiles', 'posture-profiles', POLICIES),
  applyDocuments: ['POST', '/api/v1/documents:apply', 'operator', WRITERS, 10, 'document.write'],
  ...documents('ResponseRule', 'ResponseRules', 'response-rules', POLICIES),
  readOwnToken: ['GET', '/api/v1/operator-tokens/self', 'operator', ANY, 1, 'operator-token.list'],
  createOperatorToken: [
    'POST',
    '/api/v1/operators/{name}/tokens',
    'operator',
    ADMIN,
    10,
    'operator-token.create',
  ],
  listOperatorTokens: [
    'GET',
    '/api/v1/operators/{name}/tokens',
    'operator',
    ANY,
    5,
    'operator-token.list',
  ],
  revokeOperatorToken: [
    'DELETE',
    '/api/v1/operators/{name}/tokens/{id}',
    'operator',
    ANY,
    5,
    'operator-token.revoke',
  ],
  beginPersonLogin: ['POST', '/api/v1/logins', 'public', NO_ROLES, 5, 'operator-token.create'],
  finishPersonLogin: [
    'POST',
    '/api/v1/logins:finish',
    'public',
    NO_ROLES,
    5,
    'operator-token.create',
  ],
  endOwnLogin: ['DELETE', '/api/v1/logins/self', 'operator', ANY, 5, 'operator-token.revoke'],
  endPersonLogins: [
    'POST',
    '/api/v1/logins:end',
    'operator',
    RESPONDERS,
    10,
    'operator-token.revoke',
  ],
  listSecurityKeys: ['GET', KEYS_OF_PEOPLE, 'operator', ANY, 5, 'security-key.list'],
  beginSecurityKey: ['POST', `${KEYS_OF_PEOPLE}:begin`, 'operator', ANY, 5, 'security-key.prove'],
  finishSecurityKey: [
    'POST',
    `${KEYS_OF_PEOPLE}:finish`,
    'operator',
    ANY,
    20,
    'security-key.prove',
  ],
  removeSecurityKey: [
    'POST',
    `${KEYS_OF_PEOPLE}/{id}:remove`,
    'operator',
    ANY,
    5,
    'security-key.remove',
  ],
  readKeyPage: ['GET', '/second-factor', 'public', NO_ROLES, 1, undefined],
  readKeyScript: ['GET', '/second-factor.js', 'public', NO_ROLES, 1, undefined],
  traceAudit: ['POST', '/api/v1/audit:trace', 'operator', ['auditor'], 50, 'audit.trace'],
  searchAudit: ['GET', '/api/v1/audit/entries', 'operator', AUDITORS, 20, 'audit.search'],
  listReceivers: ['GET', '/api/v1/audit/receivers', 'operator', AUDITORS, 20, 'audit.search'],
  proveEntry: [
    'GET',
    '/api/v1/audit/entries/{index}/proof',
    'operator',
    AUDITORS,
    5,
    'audit.export',
  ],
  readCheckpoint: ['GET', '/api/v1/audit/checkpoint', 'operator', AUDITORS, 1, 'audit.export'],
  readLogKey: ['GET', '/api/v1/audit/log-key', 'operator', AUDITORS, 1, 'audit.export'],
  listHeads: ['GET', '/api/v1/audit/heads', 'operator', AUDITORS, 5, 'audit.export'],
  readTile: ['GET', '/api/v1/audit/tile/{path}', 'operator', AUDITORS, 2, 'audit.export'],
  readPublicCheckpoint: ['GET', '/checkpoint', 'public', NO_ROLES, 1, 'audit.export'],
  readPublicTile: ['GET', '/tile/{path}', 'public', NO_ROLES, 1, 'audit.export'],
  readArchive: ['GET', '/api/v1/audit/archive', 'operator', AUDITORS, 5, 'audit.export'],
  listArchiveObjects: ['GET', '/api/v1/audit/objects', 'operator', AUDITORS, 5, 'audit.export'],
  archiveAudit: ['POST', '/api/v1/audit:archive', 'operator', ADMIN, 50, 'audit.archive'],
  readKeys: ['GET', '/api/v1/keys', 'operator', ADMIN, 5, 'key.list'],
  retireKek: ['POST', '/api/v1/keys:retire-kek', 'operator', ADMIN, 10, 'key.unwrap'],
  rotateKeys: ['POST', '/api/v1/keys:rotate', 'operator', ADMIN, 50, 'key.rotate'],
  createBackup: ['POST', '/api/v1/backups', 'operator', ADMIN, 50, 'backup.create'],
  listBackups: ['GET', '/api/v1/backups', 'operator', ADMIN, 5, 'backup.list'],
  readConfiguration: ['GET', '/api/v1/configuration', 'operator', ADMIN, 1, 'config.read'],
  reloadConfiguration: [
    'POST',
    '/api/v1/configuration:reload',
    'operator',
    ADMIN,
    50,
    'config.reload',
  ],
  readRoot: ['GET', '/', 'public', NO_ROLES, 0, undefined],
  readHealth: ['GET', '/healthz', 'public', NO_ROLES, 0, undefined],
  readReadiness: ['GET', '/readyz', 'public', NO_ROLES, 0, undefined],
  readMetrics: ['GET', '/metrics', 'operator', ANY, 1, undefined],
  readOpenApi: ['GET', '/openapi.json', 'public', NO_ROLES, 0, undefined],
} as const satisfies Record<string, Row>;

export type OperationId = keyof typeof ROWS;
/** The kind of caller that an operation's row allows. */
export type WhoOf<Id extends OperationId> = (typeof ROWS)[Id][2];

/**
 * Tells whether the operation is a probe: any client may call it, also on a sealed broker, with GET and HEAD, and it makes no
 * audit entry.
 */
export function isProbe({ who, action }: Operation): boolean {
  return who === 'public' && action === undefined;
}

/** Operations that revoke for many, delete, grant roles, or lift a protection. */
const DANGEROUS: ReadonlySet<OperationId> = new Set([
  'endSessions',
  'revokeLeases',
  'seal',
  'liftQuarantine',
  'openIncident',
  'deleteAttestation',
  'deleteEvidence',
  'deleteSecret',
  'destroySecret',
  'deletePolicy',
  'deletePostureProfile',
  'deleteResponseRule',
  'deleteCluster',
  'deleteMount',
  'deleteDefinition',
  'putOperator',
  'deleteOperator',
  'putRoleBinding',
  'deleteRoleBinding',
  'createOperatorToken',
  'removeSecurityKey',
  'requestBreakGlass',
  'approveRequest',
  'requireApprovals',
  'rotateKeys',
  'retireKek',
  'archiveAudit',
]);

function operation(id: OperationId, row: Row): Operation {
  const [method, path, who, roles, weight, action] = row;
  return { method, path, who, roles, weight, isDangerous: DANGEROUS.has(id), action };
}

export const ACCESS: ReadonlyMap<OperationId, Operation> = new Map(
  Object.entries(ROWS).map(([id, row]) => [id as OperationId, operation(id as OperationId, row)]),
);
