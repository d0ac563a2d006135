import type { AuditAction } from '../../domain/audit/audit-event.ts';
import { ROLES, type Role } from '../../domain/identity/principal.ts';

type Method = 'GET' | 'POST' | 'PUT' | 'DELETE';
type Who = 'public' | 'workload' | 'operator' | 'caller';
/** A method and a path. `{path}` alone matches across slashes. */
type Place = `${Method} /${string}`;

/**
 * Condition under which a person needs a recent login for an operation. `always`: it deletes, grants roles, lifts a protection, or stops applications. `change`: only
 * for a change that does so, which the operation decides (`document-risk.ts` for documents). `values`: only if the configuration demands it
 * for values.
 */
export type StepUp = 'never' | 'always' | 'change' | 'values';

/** The facts of one operation. */
export interface Operation<W extends Who = Who> {
  readonly method: Method;
  readonly path: string;
  /** `public` needs no token; `caller` is a workload by its policies or role bindings, or an operator by its roles. */
  readonly who: W;
  /** Roles of which an operator needs one, within its scope; the use case checks them. Workloads have policies instead. */
  readonly roles: readonly Role[];
  /** The cost of one request in the rate limit of its caller; a batch costs this for each item. */
  readonly weight: number;
  readonly stepUp: StepUp;
  /** The audit action. Undefined if the operation names no workload, path or version: then only refusals are recorded. */
  readonly action: AuditAction | undefined;
}

function open(place: Place, weight: number, action?: AuditAction): Operation<'public'> {
  return { ...at(place), who: 'public', roles: [], weight, stepUp: 'never', action };
}

function workload(place: Place, weight: number, action: AuditAction): Operation<'workload'> {
  return { ...at(place), who: 'workload', roles: [], weight, stepUp: 'never', action };
}

function operator(
  place: Place,
  roles: readonly Role[],
  weight: number,
  action?: AuditAction,
): Operation<'operator'> {
  return { ...at(place), who: 'operator', roles, weight, stepUp: 'never', action };
}

function caller(
  place: Place,
  roles: readonly Role[],
  weight: number,
  action: AuditAction,
): Operation<'caller'> {
  return { ...at(place), who: 'caller', roles, weight, stepUp: 'never', action };
}

function dangerous<W extends Who>(operation: Operation<W>): Operation<W> {
  return { ...operation, stepUp: 'always' };
}

function byChange<W extends Who>(operation: Operation<W>): Operation<W> {
  return { ...operation, stepUp: 'change' };
}

function ofValues<W extends Who>(operation: Operation<W>): Operation<W> {
  return { ...operation, stepUp: 'values' };
}

function at(place: Place): Pick<Operation, 'method' | 'path'> {
  const [method, path] = place.split(' ') as [Method, string];
  return { method, path };
}

type DocumentOperation<One extends string, Many extends string> =
  | `list${Many}`
  | `read${One}`
  | `put${One}`
  | `delete${One}`
  | `list${One}Versions`;

/** Builds the operations of one kind of document, by the names of one and of several of them. */
function documents<One extends string, Many extends string>(
  one: One,
  many: Many,
  collection: string,
  roles: readonly Role[],
): Readonly<Record<DocumentOperation<One, Many>, Operation<'operator'>>> {
  const all = `/api/v1/${collection}` as const;
  const rows: Readonly<Record<string, Operation<'operator'>>> = {
    [`list${many}`]: operator(`GET ${all}`, roles, 5, 'document.read'),
    [`read${one}`]: operator(`GET ${all}/{name}`, roles, 1, 'document.read'),
    [`put${one}`]: byChange(operator(`PUT ${all}/{name}`, roles, 10, 'document.write')),
    [`delete${one}`]: dangerous(operator(`DELETE ${all}/{name}`, roles, 10, 'document.delete')),
    [`list${one}Versions`]: operator(`GET ${all}/{name}/versions`, roles, 5, 'document.read'),
  };
  return rows;
}

const ADMIN: readonly Role[] = ['admin'];
const POLICIES: readonly Role[] = ['policy-editor', 'admin'];
const EXPLAINERS: readonly Role[] = ['policy-editor', 'auditor', 'admin'];
const EDITORS: readonly Role[] = ['secret-editor', 'admin'];
const WRITERS: readonly Role[] = ['policy-editor', 'secret-editor', 'admin'];
const READERS: readonly Role[] = ['secret-reader'];
const LISTERS: readonly Role[] = ['secret-reader', 'secret-editor', 'admin'];
const LEASES: readonly Role[] = ['responder', 'auditor', 'admin'];
const RESPONDERS: readonly Role[] = ['responder', 'admin'];
const PUSHERS: readonly Role[] = ['evidence-writer', 'admin'];
const TURNERS: readonly Role[] = ['rotator', 'admin'];
const ROTATORS: readonly Role[] = ['rotator', 'auditor', 'admin'];
const TRACERS: readonly Role[] = ['auditor'];
const AUDITORS: readonly Role[] = ['auditor', 'admin'];
const VIEW: readonly Role[] = ['evidence-writer', 'policy-editor', ...LEASES];
/** Roles of operations for any operator: reading the status and metrics, and seeing and revoking its own tokens. */
const ANY: readonly Role[] = ROLES;

/**
 * All operations: method and path, roles, weight, audit action. The router is made from these rows, so an operation without a row cannot be called.
 * The most frequent one is first. `npm run generate` writes the rows into openapi.yaml.
 */
// oxfmt-ignore
const ROWS = {
  readSecret: ofValues(caller('GET /api/v1/secrets/{path}', READERS, 1, 'secret.read')),
  createSession: open('POST /api/v1/sessions', 1, 'session.create'),
  listSessions: operator('GET /api/v1/sessions', LEASES, 5, 'session.list'),
  endSessions: dangerous(operator('POST /api/v1/sessions:end', RESPONDERS, 10, 'session.end')),
  readSession: workload('GET /api/v1/sessions/self', 1, 'session.read'),
  renewSession: workload('POST /api/v1/sessions/self/renew', 5, 'session.renew'),
  endSession: workload('DELETE /api/v1/sessions/self', 1, 'session.end'),
  readSecrets: ofValues(caller('POST /api/v1/secrets:batch', READERS, 1, 'secret.read')),
  listSecrets: caller('GET /api/v1/secrets', LISTERS, 5, 'secret.list'),
  writeSecret: caller('PUT /api/v1/secrets/{path}', EDITORS, 5, 'secret.write'),
  patchSecret: caller('POST /api/v1/secrets/{path}:patch', EDITORS, 5, 'secret.write'),
  describeSecret: caller('POST /api/v1/secrets/{path}:describe', EDITORS, 5, 'secret.describe'),
  deleteSecret: dangerous(caller('DELETE /api/v1/secrets/{path}', EDITORS, 5, 'secret.delete')),
  undeleteSecret: dangerous(caller('POST /api/v1/secrets/{path}:undelete', EDITORS, 5, 'secret.undelete')),
  destroySecret: dangerous(caller('POST /api/v1/secrets/{path}:destroy', EDITORS, 5, 'secret.destroy')),
  listSecretVersions: caller('GET /api/v1/secret-versions/{path}', LISTERS, 5, 'secret.list'),
  issueCredential: workload('POST /api/v1/credentials/{path}', 10, 'credential.issue'),
  acknowledge: workload('POST /api/v1/acknowledgements', 1, 'secret.acknowledge'),
  followEvents: workload('GET /api/v1/events', 10, 'event.follow'),
  followChanges: operator('GET /api/v1/changes', ANY, 10, 'event.follow'),
  listRotations: operator('GET /api/v1/rotations', ROTATORS, 5, 'rotation.list'),
  readRotation: caller('GET /api/v1/rotations/{path}', ROTATORS, 5, 'rotation.read'),
  readRotationHistory: caller('GET /api/v1/rotation-history/{path}', ROTATORS, 5, 'rotation.read'),
  runRotation: byChange(caller('POST /api/v1/rotations/{path}:run', TURNERS, 10, 'rotation.request')),
  drillRotation: caller('POST /api/v1/rotations/{path}:drill', TURNERS, 10, 'rotation.request'),
  retryRotation: caller('POST /api/v1/rotations/{path}:retry', TURNERS, 5, 'rotation.retry'),
  abortRotation: dangerous(caller('POST /api/v1/rotations/{path}:abort', TURNERS, 5, 'rotation.abort')),
  rollBackRotation: dangerous(caller('POST /api/v1/rotations/{path}:rollback', TURNERS, 5, 'rotation.abort')),
  retireRotation: dangerous(caller('POST /api/v1/rotations/{path}:retire', TURNERS, 5, 'rotation.retire')),
  listLeases: operator('GET /api/v1/leases', LEASES, 5, 'lease.list'),
  readLease: caller('GET /api/v1/leases/{id}', LEASES, 1, 'lease.read'),
  releaseLease: workload('DELETE /api/v1/leases/{id}', 1, 'lease.revoke'),
  renewLease: workload('POST /api/v1/leases/{id}/renew', 2, 'lease.renew'),
  revokeLeases: dangerous(operator('POST /api/v1/leases:revoke', RESPONDERS, 10, 'lease.revoke')),
  listRevocations: operator('GET /api/v1/revocations', LEASES, 5, 'lease.list'),
  retryRevocation: operator('POST /api/v1/revocations/{id}:retry', RESPONDERS, 5, 'credential.revoke'),
  seal: dangerous(operator('POST /api/v1/seal', RESPONDERS, 10, 'broker.seal')),
  createQuarantine: operator('POST /api/v1/quarantines', RESPONDERS, 10, 'quarantine.create'),
  listQuarantines: operator('GET /api/v1/quarantines', LEASES, 5, 'quarantine.list'),
  liftQuarantine: dangerous(operator('DELETE /api/v1/quarantines/{id}', RESPONDERS, 5, 'quarantine.lift')),
  receiveAlert: open('POST /api/v1/alert-sources/{name}/alerts', 1, 'alert.receive'),
  listAlertSources: operator('GET /api/v1/alert-sources', LEASES, 5, 'alert.list'),
  listAlerts: operator('GET /api/v1/alerts', LEASES, 5, 'alert.list'),
  approveAlert: operator('POST /api/v1/alerts/{id}:approve', RESPONDERS, 10, 'alert.approve'),
  dismissAlert: dangerous(operator('POST /api/v1/alerts/{id}:dismiss', RESPONDERS, 5, 'alert.dismiss')),
  openIncident: dangerous(operator('POST /api/v1/incidents', RESPONDERS, 50, 'incident.open')),
  readIncident: operator('GET /api/v1/incidents/{id}', LEASES, 50, 'incident.read'),
  requestBreakGlass: dangerous(operator('POST /api/v1/approvals:break-glass', ANY, 10, 'approval.request')),
  listApprovals: operator('GET /api/v1/approvals', ANY, 5, 'approval.list'),
  readApproval: operator('GET /api/v1/approvals/{id}', ANY, 1, 'approval.list'),
  approveRequest: dangerous(operator('POST /api/v1/approvals/{id}:approve', ADMIN, 10, 'approval.approve')),
  denyRequest: operator('POST /api/v1/approvals/{id}:deny', ADMIN, 5, 'approval.deny'),
  withdrawRequest: operator('DELETE /api/v1/approvals/{id}', ANY, 5, 'approval.withdraw'),
  confirmDocuments: dangerous(operator('POST /api/v1/approvals/{id}:confirm', WRITERS, 10, 'approval.approve')),
  requireApprovals: dangerous(operator('POST /api/v1/approvals:require', ADMIN, 10, 'approval.require')),
  pushAttestation: caller('POST /api/v1/attestations', PUSHERS, 10, 'attestation.push'),
  listAttestations: operator('GET /api/v1/attestations', VIEW, 5, 'attestation.list'),
  readAttestation: operator('GET /api/v1/attestations/{id}', VIEW, 5, 'attestation.list'),
  deleteAttestation: dangerous(operator('DELETE /api/v1/attestations/{id}', RESPONDERS, 5, 'attestation.delete')),
  ...documents('Policy', 'Policies', 'policies', POLICIES),
  validatePolicy: operator('POST /api/v1/policies:validate', POLICIES, 5, 'policy.validate'),
  explainDecision: operator('POST /api/v1/policies:explain', EXPLAINERS, 10, 'policy.explain'),
  explainEntry: operator('POST /api/v1/policies:explain-entry', AUDITORS, 20, 'policy.explain'),
  replayPolicies: operator('POST /api/v1/policies:replay', EXPLAINERS, 200, 'policy.replay'),
  explainPosture: operator('POST /api/v1/posture:explain', EXPLAINERS, 10, 'policy.explain'),
  surveyPosture: operator('POST /api/v1/posture:survey', EXPLAINERS, 50, 'policy.explain'),
  listEvidence: operator('GET /api/v1/evidence', VIEW, 5, 'evidence.read'),
  pushEvidence: dangerous(caller('POST /api/v1/evidence', PUSHERS, 20, 'evidence.write')),
  readEvidence: operator('GET /api/v1/evidence/{id}', VIEW, 5, 'evidence.read'),
  deleteEvidence: dangerous(operator('DELETE /api/v1/evidence/{id}', PUSHERS, 5, 'evidence.delete')),
  ...documents('Cluster', 'Clusters', 'clusters', ADMIN),
  checkCluster: operator('POST /api/v1/clusters/{name}:check', RESPONDERS, 20, 'document.check'),
  enrollCluster: dangerous(operator('POST /api/v1/clusters/{name}:enroll', ADMIN, 10, 'enrolment.create')),
  joinCluster: open('POST /api/v1/clusters/{name}:join', 5, 'enrolment.use'),
  listEnrolments: operator('GET /api/v1/enrolments', RESPONDERS, 5, 'enrolment.list'),
  endEnrolment: dangerous(operator('DELETE /api/v1/enrolments/{name}', RESPONDERS, 5, 'enrolment.end')),
  ...documents('Mount', 'Mounts', 'mounts', ADMIN),
  checkMount: operator('POST /api/v1/mounts/{name}:check', RESPONDERS, 20, 'document.check'),
  listDefinitions: operator('GET /api/v1/definitions', EDITORS, 5, 'document.read'),
  readDefinition: operator('GET /api/v1/definitions/{path}', EDITORS, 1, 'document.read'),
  putDefinition: byChange(operator('PUT /api/v1/definitions/{path}', EDITORS, 10, 'document.write')),
  deleteDefinition: dangerous(operator('DELETE /api/v1/definitions/{path}', EDITORS, 10, 'document.delete')),
  listDefinitionVersions: operator('GET /api/v1/definition-versions/{path}', EDITORS, 5, 'document.read'),
  ...documents('Operator', 'Operators', 'operators', ADMIN),
  putOperator: dangerous(operator('PUT /api/v1/operators/{name}', ADMIN, 10, 'document.write')),
  ...documents('RoleBinding', 'RoleBindings', 'role-bindings', ADMIN),
  putRoleBinding: dangerous(operator('PUT /api/v1/role-bindings/{name}', ADMIN, 10, 'document.write')),
  ...documents('PostureProfile', 'PostureProfiles', 'posture-profiles', POLICIES),
  applyDocuments: byChange(operator('POST /api/v1/documents:apply', WRITERS, 10, 'document.write')),
  ...documents('ResponseRule', 'ResponseRules', 'response-rules', POLICIES),
  readOwnToken: operator('GET /api/v1/operator-tokens/self', ANY, 1, 'operator-token.list'),
  createOperatorToken: dangerous(operator('POST /api/v1/operators/{name}/tokens', ADMIN, 10, 'operator-token.create')),
  listOperatorTokens: operator('GET /api/v1/operators/{name}/tokens', ANY, 5, 'operator-token.list'),
  revokeOperatorToken: operator('DELETE /api/v1/operators/{name}/tokens/{id}', ANY, 5, 'operator-token.revoke'),
  beginPersonLogin: open('POST /api/v1/logins', 5, 'operator-token.create'),
  finishPersonLogin: open('POST /api/v1/logins:finish', 5, 'operator-token.create'),
  endOwnLogin: operator('DELETE /api/v1/logins/self', ANY, 5, 'operator-token.revoke'),
  endPersonLogins: operator('POST /api/v1/logins:end', RESPONDERS, 10, 'operator-token.revoke'),
  listSecurityKeys: operator('GET /api/v1/security-keys', ANY, 5, 'security-key.list'),
  beginSecurityKey: operator('POST /api/v1/security-keys:begin', ANY, 5, 'security-key.prove'),
  finishSecurityKey: operator('POST /api/v1/security-keys:finish', ANY, 20, 'security-key.prove'),
  removeSecurityKey: dangerous(operator('POST /api/v1/security-keys/{id}:remove', ANY, 5, 'security-key.remove')),
  readKeyPage: open('GET /second-factor', 1),
  readKeyScript: open('GET /second-factor.js', 1),
  traceAudit: operator('POST /api/v1/audit:trace', TRACERS, 50, 'audit.trace'),
  searchAudit: operator('GET /api/v1/audit/entries', AUDITORS, 20, 'audit.search'),
  listReceivers: operator('GET /api/v1/audit/receivers', AUDITORS, 20, 'audit.search'),
  proveEntry: operator('GET /api/v1/audit/entries/{index}/proof', AUDITORS, 5, 'audit.export'),
  readCheckpoint: operator('GET /api/v1/audit/checkpoint', AUDITORS, 1, 'audit.export'),
  readLogKey: operator('GET /api/v1/audit/log-key', AUDITORS, 1, 'audit.export'),
  listHeads: operator('GET /api/v1/audit/heads', AUDITORS, 5, 'audit.export'),
  readTile: operator('GET /api/v1/audit/tile/{path}', AUDITORS, 2, 'audit.export'),
  readPublicCheckpoint: open('GET /checkpoint', 1, 'audit.export'),
  readPublicTile: open('GET /tile/{path}', 1, 'audit.export'),
  readArchive: operator('GET /api/v1/audit/archive', AUDITORS, 5, 'audit.export'),
  listArchiveObjects: operator('GET /api/v1/audit/objects', AUDITORS, 5, 'audit.export'),
  archiveAudit: dangerous(operator('POST /api/v1/audit:archive', ADMIN, 50, 'audit.archive')),
  readKeys: operator('GET /api/v1/keys', ADMIN, 5, 'key.list'),
  retireKek: dangerous(operator('POST /api/v1/keys:retire-kek', ADMIN, 10, 'key.unwrap')),
  rotateKeys: dangerous(operator('POST /api/v1/keys:rotate', ADMIN, 50, 'key.rotate')),
  createBackup: operator('POST /api/v1/backups', ADMIN, 50, 'backup.create'),
  listBackups: operator('GET /api/v1/backups', ADMIN, 5, 'backup.list'),
  recordDrill: operator('POST /api/v1/drills', ADMIN, 5, 'drill.record'),
  readConfiguration: operator('GET /api/v1/configuration', ADMIN, 1, 'config.read'),
  reloadConfiguration: operator('POST /api/v1/configuration:reload', ADMIN, 50, 'config.reload'),
  readRoot: open('GET /', 0),
  readHealth: open('GET /healthz', 0),
  readReadiness: open('GET /readyz', 0),
  readStatus: operator('GET /api/v1/status', ANY, 1),
  readMetrics: operator('GET /metrics', ANY, 1),
  readOpenApi: open('GET /openapi.json', 0),
};

export type OperationId = keyof typeof ROWS;
/** The kind of caller that an operation's row allows. */
export type WhoOf<Id extends OperationId> = (typeof ROWS)[Id]['who'];

/** Reports whether the operation is a probe: any client may call it, even on a sealed broker, with GET and HEAD, and it makes no audit entry. */
export function isProbe({ who, action }: Operation): boolean {
  return who === 'public' && action === undefined;
}

export const ACCESS: ReadonlyMap<OperationId, Operation> = new Map(
  Object.entries(ROWS) as [OperationId, Operation][],
);
