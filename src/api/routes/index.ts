import type { Routes } from '../contract/route.ts';
import * as acknowledgements from './acknowledgements.ts';
import * as alerts from './alerts.ts';
import * as approvals from './approvals.ts';
import * as archives from './archives.ts';
import * as attestations from './attestations.ts';
import * as audit from './audit.ts';
import * as backups from './backups.ts';
import * as configuration from './configuration.ts';
import * as credentials from './credentials.ts';
import * as documentBatch from './document-batch.ts';
import { documentRoutes } from './documents.ts';
import * as events from './events.ts';
import * as evidence from './evidence.ts';
import * as keys from './keys.ts';
import * as leases from './leases.ts';
import * as logins from './logins.ts';
import * as mountCheck from './mount-check.ts';
import * as operatorSessions from './operator-sessions.ts';
import * as operatorTokens from './operator-tokens.ts';
import * as policies from './policies.ts';
import * as policyReplay from './policy-replay.ts';
import * as posture from './posture.ts';
import { machineRoutes, type MachineFacts, type MachineRoutes } from './probes.ts';
import * as publicLog from './public-log.ts';
import * as quarantines from './quarantines.ts';
import * as revocations from './revocations.ts';
import * as rotationRequests from './rotation-requests.ts';
import * as rotations from './rotations.ts';
import * as seal from './seal.ts';
import * as secretBatch from './secret-batch.ts';
import * as secrets from './secrets.ts';
import * as securityKeys from './security-keys.ts';
import * as sessions from './sessions.ts';

/**
 * The routes of the rows of `access.ts`, except those that need facts about the process. A row without a route does not compile; a test compares
 * the names, so that no module exports anything else.
 */
const OPERATIONS: Omit<Routes, keyof MachineRoutes> = {
  ...sessions,
  ...operatorSessions,
  ...quarantines,
  ...seal,
  ...approvals,
  ...secretBatch,
  ...secrets,
  ...credentials,
  ...acknowledgements,
  ...events,
  ...rotations,
  ...rotationRequests,
  ...leases,
  ...revocations,
  ...policies,
  ...policyReplay,
  ...mountCheck,
  ...logins,
  ...securityKeys,
  ...operatorTokens,
  ...audit,
  ...publicLog,
  ...keys,
  ...archives,
  ...backups,
  ...configuration,
  ...documentBatch,
  ...alerts,
  ...posture,
  ...attestations,
  ...evidence,
  ...documentRoutes('policy', 'Policy', 'Policies', 'policies'),
  ...documentRoutes('cluster', 'Cluster', 'Clusters', 'clusters'),
  ...documentRoutes('mount', 'Mount', 'Mounts', 'mounts'),
  ...documentRoutes('definition', 'Definition', 'Definitions', 'definitions'),
  ...documentRoutes('operator', 'Operator', 'Operators', 'operators'),
  ...documentRoutes('role-binding', 'RoleBinding', 'RoleBindings', 'role-bindings'),
  ...documentRoutes('response-rule', 'ResponseRule', 'ResponseRules', 'response-rules'),
  ...documentRoutes('posture-profile', 'PostureProfile', 'PostureProfiles', 'posture-profiles'),
};

/** The route of each row of `access.ts`. */
export function allRoutes(facts: MachineFacts): Routes {
  return { ...OPERATIONS, ...machineRoutes(facts) };
}
