import { ACCESS, type Operation, type OperationId } from '../contract/access.ts';
import { ROLES } from '../../domain/identity/principal.ts';
import type { Engine } from './config.ts';

/** Methods of the Vault HTTP API. PUT and POST are the same thing; a GET with `list=true` is a LIST. */
export const METHODS = ['GET', 'LIST', 'PUT', 'PATCH', 'DELETE'] as const;
export type Method = (typeof METHODS)[number];

/** The part of the paths to which a row belongs: the server's own, or the mounts of an engine. */
export type Area = 'sys' | 'auth' | Engine;

/** One operation of this face. Its caller, roles, weight and audit action are those of an operation of the broker's own API. */
export interface VaultOperation extends Operation {
  readonly area: Area;
  readonly verb: Method;
  /** Path below the area; `{path}` matches several segments, every other parameter one. */
  readonly template: string;
}

/** An operation that every caller with a valid token may call, and that names no path or version. */
function open(place: string, weight: number): VaultOperation {
  const facts = {
    who: 'caller',
    roles: ROLES,
    weight,
    stepUp: 'never',
    action: undefined,
  } as const;
  return rowOf(place, facts);
}

/** An operation that needs no token, and also answers while the broker is sealed. */
function probe(place: string): VaultOperation {
  const facts = {
    who: 'public',
    roles: [],
    weight: 0,
    stepUp: 'never',
    action: undefined,
  } as const;
  return rowOf(place, facts);
}

/** An operation for the holder of a wrapping token, which identifies no caller. */
function ofHolder(place: string): VaultOperation {
  return { ...probe(place), weight: 5, action: 'wrapping.open' };
}

function like(id: OperationId, place: string): VaultOperation {
  const facts = ACCESS.get(id);
  if (facts === undefined) throw new Error(`no operation ${id}`);
  return rowOf(place, facts);
}

type Facts = Pick<Operation, 'who' | 'roles' | 'weight' | 'stepUp' | 'action'>;

function rowOf(place: string, { who, roles, weight, stepUp, action }: Facts): VaultOperation {
  const [verb, area, template] = place.split(' ') as [Method, Area, string];
  const method = verb === 'LIST' ? 'GET' : verb === 'PATCH' ? 'PUT' : verb;
  const path = `/v1/${isEngine(area) ? '{mount}' : area}${template}`;
  return { who, roles, weight, stepUp, action, method, path, area, verb, template };
}

function isEngine(area: Area): area is Engine {
  return area !== 'sys' && area !== 'auth';
}

/** All operations. A path without a row is refused. */
// oxfmt-ignore
const ROWS = {
  readData: like('readSecret', 'GET kv-v2 /data/{path}'),
  readMetadata: like('listSecretVersions', 'GET kv-v2 /metadata/{path}'),
  listMetadata: like('listSecrets', 'LIST kv-v2 /metadata/{folder}'),
  writeData: like('writeSecret', 'PUT kv-v2 /data/{path}'),
  patchData: like('patchSecret', 'PATCH kv-v2 /data/{path}'),
  deleteData: like('deleteSecret', 'DELETE kv-v2 /data/{path}'),
  deleteVersions: like('deleteSecret', 'PUT kv-v2 /delete/{path}'),
  undeleteVersions: like('undeleteSecret', 'PUT kv-v2 /undelete/{path}'),
  destroyVersions: like('destroySecret', 'PUT kv-v2 /destroy/{path}'),
  destroyAll: like('destroySecret', 'DELETE kv-v2 /metadata/{path}'),
  writeMetadata: like('describeSecret', 'PUT kv-v2 /metadata/{path}'),
  patchMetadata: like('describeSecret', 'PATCH kv-v2 /metadata/{path}'),
  readConfig: open('GET kv-v2 /config', 1),
  writeConfig: like('putMount', 'PUT kv-v2 /config'),
  readValue: like('readSecret', 'GET kv-v1 /{path}'),
  listValues: like('listSecrets', 'LIST kv-v1 /{folder}'),
  writeValue: like('writeSecret', 'PUT kv-v1 /{path}'),
  deleteValue: like('deleteSecret', 'DELETE kv-v1 /{path}'),
  issueCredential: like('issueCredential', 'GET database /creds/{path}'),
  readAccount: like('readSecret', 'GET database /static-creds/{path}'),
  renewLease: like('renewLease', 'PUT sys /leases/renew'),
  revokeLease: { ...like('revokeLeases', 'PUT sys /leases/revoke'), who: 'caller', weight: 1 },
  revokeNamedLease: { ...like('revokeLeases', 'PUT sys /leases/revoke/{path}'), who: 'caller', weight: 1 },
  revokePrefix: { ...like('revokeLeases', 'PUT sys /leases/revoke-prefix/{path}'), who: 'caller' },
  listLeases: { ...like('listLeases', 'LIST sys /leases/lookup/{folder}'), who: 'caller' },
  lookUpLease: like('readLease', 'PUT sys /leases/lookup'),
  wrapData: { ...open('PUT sys /wrapping/wrap', 5), who: 'workload', action: 'wrapping.create' },
  unwrap: ofHolder('PUT sys /wrapping/unwrap'),
  rewrap: ofHolder('PUT sys /wrapping/rewrap'),
  lookUpWrapping: ofHolder('PUT sys /wrapping/lookup'),
  readMountTable: open('GET sys /mounts', 1),
  readTuning: open('GET sys /mounts/{path}/tune', 1),
  readMountRow: open('GET sys /mounts/{path}', 1),
  readAuthTable: open('GET sys /auth', 1),
  readMounts: open('GET sys /internal/ui/mounts', 1),
  readMount: open('GET sys /internal/ui/mounts/{path}', 1),
  readHealth: probe('GET sys /health'),
  readSealStatus: probe('GET sys /seal-status'),
  readLeader: probe('GET sys /leader'),
  readCapabilities: { ...open('PUT sys /capabilities-self', 5), action: 'policy.explain' },
  logIn: like('createSession', 'PUT auth /{mount}/login'),
  beginPersonLogin: like('beginPersonLogin', 'PUT auth /{mount}/oidc/auth_url'),
  finishPersonLogin: like('finishPersonLogin', 'GET auth /{mount}/oidc/callback'),
  lookUpToken: { ...open('PUT auth /token/lookup', 1), action: 'session.read' },
  renewToken: { ...open('PUT auth /token/renew', 1), action: 'session.read' },
  revokeToken: { ...open('PUT auth /token/revoke', 1), action: 'session.end' },
  lookUpAccessor: { ...open('PUT auth /token/lookup-accessor', 1), action: 'session.read' },
  renewAccessor: { ...open('PUT auth /token/renew-accessor', 1), action: 'session.read' },
  revokeAccessor: { ...open('PUT auth /token/revoke-accessor', 1), action: 'session.end' },
  lookUpSelf: { ...open('GET auth /token/lookup-self', 1), action: 'session.read' },
  renewSelf: { ...open('PUT auth /token/renew-self', 1), action: 'session.read' },
  revokeSelf: { ...open('PUT auth /token/revoke-self', 1), action: 'session.end' },
} satisfies Record<string, VaultOperation>;

/** A path without a row: it is refused after the caller is known, so that a stranger learns no path. */
export const NO_OPERATION: VaultOperation = open('GET sys /', 1);

/** A read that the old server answers to its own caller. Its token is unknown here, so its network is charged. */
export const SHADOW_READ: VaultOperation = {
  ...probe('GET sys /'),
  weight: 1,
  action: 'shadow.read',
};

export type VaultOperationId = keyof typeof ROWS;

/** Operations whose answers can be wrapped: those with values, and logins. */
export const WRAPPABLE: readonly (VaultOperationId | undefined)[] = [
  'readData',
  'readValue',
  'issueCredential',
  'readAccount',
  'wrapData',
  'logIn',
];
export const VAULT_ACCESS: ReadonlyMap<VaultOperationId, VaultOperation> = new Map(
  Object.entries(ROWS) as [VaultOperationId, VaultOperation][],
);
