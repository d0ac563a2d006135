import {
  approveRequest,
  denyRequest,
  listApprovals,
  readApproval,
  requestBreakGlass,
  requireApprovals,
  withdrawRequest,
} from './approvals.ts';
import { readPublicCheckpoint, readPublicTile } from './public-log.ts';
import type { Routes } from '../contract/route.ts';
import { acknowledge } from './acknowledgements.ts';
import {
  listHeads,
  listReceivers,
  proveEntry,
  readCheckpoint,
  readLogKey,
  readTile,
  searchAudit,
  traceAudit,
} from './audit.ts';
import {
  approveAlert,
  dismissAlert,
  listAlerts,
  listAlertSources,
  openIncident,
  readIncident,
  receiveAlert,
} from './alerts.ts';
import { archiveAudit, listArchiveObjects, readArchive } from './archives.ts';
import { createBackup, listBackups } from './backups.ts';
import { readConfiguration, reloadConfiguration } from './configuration.ts';
import { issueCredential } from './credentials.ts';
import { applyDocuments } from './document-batch.ts';
import { documentRoutes } from './documents.ts';
import { followEvents } from './events.ts';
import { listLeases, readLease, releaseLease, renewLease, revokeLeases } from './leases.ts';
import { beginPersonLogin, endOwnLogin, endPersonLogins, finishPersonLogin } from './logins.ts';
import {
  beginSecurityKey,
  finishSecurityKey,
  listSecurityKeys,
  readKeyPage,
  readKeyScript,
  removeSecurityKey,
} from './security-keys.ts';
import { machineRoutes, type MachineFacts, type MachineRoutes } from './probes.ts';
import { checkMount } from './mount-check.ts';
import {
  createOperatorToken,
  listOperatorTokens,
  readOwnToken,
  revokeOperatorToken,
} from './operator-tokens.ts';
import { explainDecision, explainEntry, validatePolicy } from './policies.ts';
import { replayPolicies } from './policy-replay.ts';
import { createQuarantine, liftQuarantine, listQuarantines } from './quarantines.ts';
import { listRevocations, retryRevocation } from './revocations.ts';
import {
  abortRotation,
  drillRotation,
  retireRotation,
  retryRotation,
  rollBackRotation,
  runRotation,
} from './rotation-requests.ts';
import { listRotations, readRotation, readRotationHistory } from './rotations.ts';
import { readSecrets } from './secret-batch.ts';
import {
  deleteSecret,
  destroySecret,
  listSecrets,
  listSecretVersions,
  patchSecret,
  readSecret,
  undeleteSecret,
  writeSecret,
} from './secrets.ts';
import { readKeys, retireKek, rotateKeys } from './keys.ts';
import {
  deleteAttestation,
  listAttestations,
  pushAttestation,
  readAttestation,
} from './attestations.ts';
import { deleteEvidence, listEvidence, pushEvidence, readEvidence } from './evidence.ts';
import { explainPosture, surveyPosture } from './posture.ts';
import { seal } from './seal.ts';
import { endSessions, listSessions } from './operator-sessions.ts';
import { createSession, endSession, readSession, renewSession } from './sessions.ts';

const policies = documentRoutes('policy', '/api/v1/policies');
const clusters = documentRoutes('cluster', '/api/v1/clusters');
const mounts = documentRoutes('mount', '/api/v1/mounts');
const definitions = documentRoutes('definition', '/api/v1/definitions');
const operators = documentRoutes('operator', '/api/v1/operators');
const roleBindings = documentRoutes('role-binding', '/api/v1/role-bindings');
const responseRules = documentRoutes('response-rule', '/api/v1/response-rules');
const postureProfiles = documentRoutes('posture-profile', '/api/v1/posture-profiles');

/** The routes of the rows of `access.ts`, except those that need facts about the process. */
const OPERATIONS: Omit<Routes, keyof MachineRoutes> = {
  readSecret,
  createSession,
  readSession,
  renewSession,
  endSession,
  listSessions,
  endSessions,
  createQuarantine,
  listQuarantines,
  liftQuarantine,
  seal,
  requestBreakGlass,
  listApprovals,
  readApproval,
  approveRequest,
  denyRequest,
  withdrawRequest,
  requireApprovals,
  readSecrets,
  listSecrets,
  writeSecret,
  patchSecret,
  deleteSecret,
  undeleteSecret,
  destroySecret,
  listSecretVersions,
  issueCredential,
  acknowledge,
  followEvents,
  listRotations,
  readRotation,
  readRotationHistory,
  runRotation,
  drillRotation,
  retryRotation,
  abortRotation,
  rollBackRotation,
  retireRotation,
  listLeases,
  readLease,
  releaseLease,
  renewLease,
  revokeLeases,
  listRevocations,
  retryRevocation,
  validatePolicy,
  explainDecision,
  explainEntry,
  replayPolicies,
  checkMount,
  beginPersonLogin,
  finishPersonLogin,
  endOwnLogin,
  endPersonLogins,
  listSecurityKeys,
  beginSecurityKey,
  finishSecurityKey,
  removeSecurityKey,
  readKeyPage,
  readKeyScript,
  createOperatorToken,
  listOperatorTokens,
  readOwnToken,
  revokeOperatorToken,
  searchAudit,
  listReceivers,
  traceAudit,
  proveEntry,
  readCheckpoint,
  readLogKey,
  listHeads,
  readPublicCheckpoint,
  readPublicTile,
  readTile,
  readKeys,
  rotateKeys,
  retireKek,
  archiveAudit,
  listArchiveObjects,
  readArchive,
  createBackup,
  listBackups,
  readConfiguration,
  reloadConfiguration,
  applyDocuments,
  listPolicies: policies.list,
  readPolicy: policies.read,
  putPolicy: policies.put,
  deletePolicy: policies.remove,
  listPolicyVersions: policies.versions,
  listClusters: clusters.list,
  readCluster: clusters.read,
  putCluster: clusters.put,
  deleteCluster: clusters.remove,
  listClusterVersions: clusters.versions,
  listMounts: mounts.list,
  readMount: mounts.read,
  putMount: mounts.put,
  deleteMount: mounts.remove,
  listMountVersions: mounts.versions,
  listDefinitions: definitions.list,
  readDefinition: definitions.read,
  putDefinition: definitions.put,
  deleteDefinition: definitions.remove,
  listDefinitionVersions: definitions.versions,
  listOperators: operators.list,
  readOperator: operators.read,
  putOperator: operators.put,
  deleteOperator: operators.remove,
  listOperatorVersions: operators.versions,
  listRoleBindings: roleBindings.list,
  readRoleBinding: roleBindings.read,
  putRoleBinding: roleBindings.put,
  deleteRoleBinding: roleBindings.remove,
  listRoleBindingVersions: roleBindings.versions,
  receiveAlert,
  listAlertSources,
  listAlerts,
  approveAlert,
  dismissAlert,
  openIncident,
  readIncident,
  listResponseRules: responseRules.list,
  readResponseRule: responseRules.read,
  putResponseRule: responseRules.put,
  deleteResponseRule: responseRules.remove,
  listResponseRuleVersions: responseRules.versions,
  explainPosture,
  surveyPosture,
  pushAttestation,
  listAttestations,
  readAttestation,
  deleteAttestation,
  listEvidence,
  pushEvidence,
  readEvidence,
  deleteEvidence,
  listPostureProfiles: postureProfiles.list,
  readPostureProfile: postureProfiles.read,
  putPostureProfile: postureProfiles.put,
  deletePostureProfile: postureProfiles.remove,
  listPostureProfileVersions: postureProfiles.versions,
};

/** The route of each row of `access.ts`. */
export function allRoutes(facts: MachineFacts): Routes {
  return { ...OPERATIONS, ...machineRoutes(facts) };
}
