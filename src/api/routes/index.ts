import * as acknowledgements from './acknowledgements.ts';
import * as audit from './audit.ts';
import * as documentChecks from './document-checks.ts';
import * as configuration from './configuration.ts';
import * as credentials from './credentials.ts';
import * as documentBatch from './document-batch.ts';
import { documentRoutes } from './documents.ts';
import * as events from './events.ts';
import * as keys from './keys.ts';
import * as leases from './leases.ts';
import * as logins from './logins.ts';
import * as operatorSessions from './operator-sessions.ts';
import * as operatorTokens from './operator-tokens.ts';
import * as policies from './policies.ts';
import * as policyReplay from './policy-replay.ts';
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

/** The routes of the core, except those that need facts about the process. A test compares the names, so that no module exports anything else. */
const OPERATIONS = {
  ...sessions,
  ...operatorSessions,
  ...quarantines,
  ...seal,
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
  ...documentChecks,
  ...logins,
  ...securityKeys,
  ...operatorTokens,
  ...audit,
  ...publicLog,
  ...keys,
  ...configuration,
  ...documentBatch,
  ...documentRoutes('policy', 'Policy', 'Policies', 'policies'),
  ...documentRoutes('cluster', 'Cluster', 'Clusters', 'clusters'),
  ...documentRoutes('mount', 'Mount', 'Mounts', 'mounts'),
  ...documentRoutes('definition', 'Definition', 'Definitions', 'definitions'),
  ...documentRoutes('operator', 'Operator', 'Operators', 'operators'),
  ...documentRoutes('role-binding', 'RoleBinding', 'RoleBindings', 'role-bindings'),
};

export type CoreRoutes = typeof OPERATIONS & MachineRoutes;

/** The routes of every broker. Options add theirs. */
export function coreRoutes(facts: MachineFacts): CoreRoutes {
  return { ...OPERATIONS, ...machineRoutes(facts) };
}
