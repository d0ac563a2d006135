import type { Query, QuerySpec, TableName, Term } from './store.ts';
import type { Tables } from './tables.ts';

/**
 * All queries of the store, by table. Apart from the migrations, only this file names the columns by which rows are found. A test reads the query
 * plan of each, so a query without an index fails there.
 */

type ColumnOf<T extends TableName> = keyof Tables[T] & string;

/** A condition on a column. A condition with a question mark is left out if its argument is undefined. */
type Condition<C extends string> = C | `${C}?` | `${C} <=` | `${C} >=` | `${C} starts with`;

/** The type of a condition's argument. A bound compares with values, never with null. */
type ArgumentOf<T extends TableName, W> = W extends `${infer C}?`
  ? Tables[T][C & keyof Tables[T]] | undefined
  : W extends `${infer C} ${string}`
    ? NonNullable<Tables[T][C & keyof Tables[T]]>
    : Tables[T][W & keyof Tables[T]];

type ArgumentsOf<T extends TableName, W extends readonly string[]> = {
  -readonly [I in keyof W]: ArgumentOf<T, W[I]>;
};

/** A query that takes the values of its conditions, in their order. */
export interface NamedQuery<T extends TableName, A extends readonly unknown[]> {
  (...values: A): Query<T>;
  readonly spec: QuerySpec<T>;
}

interface Conditions<T extends TableName, W extends readonly Condition<ColumnOf<T>>[]> {
  readonly where?: W;
  /** Conditions that are the same in every call. */
  readonly with?: Partial<Tables[T]>;
  /** Followed by the primary key, all in one direction. */
  readonly orderBy?: readonly ColumnOf<T>[];
  readonly descending?: boolean;
}

function query<T extends TableName, const W extends readonly Condition<ColumnOf<T>>[] = []>(
  table: T,
  conditions: Conditions<T, W> = {},
): NamedQuery<T, ArgumentsOf<T, W>> {
  const { where = [], with: fixed = {}, orderBy = [], descending = false } = conditions;
  const spec = { table, terms: where.map(termOf), fixed, orderBy, descending };
  return Object.assign((...values: ArgumentsOf<T, W>) => ({ spec, values }), { spec });
}

function termOf(condition: string): Term {
  const [, column = '', mark = ''] = /^(\w+) ?(.*)$/.exec(condition) ?? [];
  if (mark === '?') return { column, is: '=', isOptional: true };
  return { column, is: mark === '' ? '=' : (mark as Term['is']), isOptional: false };
}

/** Every row of a table, in the order of its primary key. */
export function allRows<T extends TableName>(table: T): Query<T> {
  return query(table)();
}

const newest = <C extends string>(column: C) => ({ orderBy: [column], descending: true }) as const;

export const LEASES = {
  /** The columns of an index, so that each query reads live leases only: `cause` is null while a lease is live. */
  liveOfSession: query('leases', { where: ['session_id'], with: { state: 'live', cause: null } }),
  liveOfSessionAndPath: query('leases', {
    where: ['session_id', 'path'],
    with: { state: 'live', cause: null },
  }),
  liveStaticOfSession: query('leases', {
    where: ['session_id'],
    with: { kind: 'static', state: 'live', cause: null },
  }),
  revokedStaticOfSession: query('leases', {
    where: ['session_id'],
    with: { kind: 'static', state: 'ended', cause: 'revoked' },
  }),
  revokedOfSessionAndPath: query('leases', {
    where: ['session_id', 'path'],
    with: { state: 'ended', cause: 'revoked' },
  }),
  liveOfPath: query('leases', { where: ['path'], with: { state: 'live' } }),
  supersededOfPath: query('leases', {
    where: ['path'],
    with: { state: 'ended', cause: 'superseded' },
  }),
  liveStaticOfPath: query('leases', { where: ['path'], with: { kind: 'static', state: 'live' } }),
  liveOfPod: query('leases', { where: ['cluster', 'pod_uid'], with: { state: 'live' } }),
  ofPod: query('leases', { where: ['cluster', 'pod_uid', 'state'] }),
  ofWorkload: query('leases', { where: ['workload', 'state'] }),
  liveOfCluster: query('leases', { where: ['cluster'], with: { state: 'live' } }),
  liveOfWorkload: query('leases', { where: ['workload'], with: { state: 'live' } }),
  live: query('leases', { with: { state: 'live' } }),
  expired: query('leases', {
    where: ['ends_at <='],
    with: { state: 'live' },
    orderBy: ['ends_at'],
  }),
  purgeable: query('leases', {
    where: ['purge_at <='],
    with: { state: 'ended' },
    orderBy: ['purge_at'],
  }),
  /** The order of an index: within a path, ended leases come before live ones. */
  matching: query('leases', {
    where: ['workload?', 'pod_uid?', 'mount_uid?', 'state?', 'path?'],
    orderBy: ['path', 'state'],
  }),
  matchingBelow: query('leases', {
    where: ['workload?', 'pod_uid?', 'mount_uid?', 'state?', 'path starts with'],
    orderBy: ['path', 'state'],
  }),
};

export const CREDENTIALS = {
  abandoned: query('credentials', { where: ['state', 'created_at <='] }),
  dueRevocations: query('credentials', {
    where: ['state', 'next_attempt_at <='],
    orderBy: ['next_attempt_at'],
  }),
  revocations: query('credentials', { where: ['state'], orderBy: ['next_attempt_at'] }),
  expired: query('credentials', {
    where: ['ends_at <='],
    with: { state: 'issued' },
    orderBy: ['ends_at'],
  }),
  purgeable: query('credentials', {
    where: ['ends_at <='],
    with: { state: 'revoked' },
    orderBy: ['ends_at'],
  }),
  inState: query('credentials', { where: ['state'] }),
  ofMount: query('credentials', { where: ['mount_uid', 'state'] }),
};

export const SESSIONS = {
  byHash: query('sessions', { where: ['hash'] }),
  ofCluster: query('sessions', { where: ['cluster'] }),
  ofRegistration: query('sessions', { where: ['cluster', 'cluster_uid'] }),
  ofPod: query('sessions', { where: ['cluster', 'pod_uid'] }),
  ofAccount: query('sessions', { where: ['cluster', 'namespace', 'service_account'] }),
  matching: query('sessions', {
    where: ['cluster?', 'namespace?', 'service_account?', 'pod_uid?', 'id?'],
  }),
  expired: query('sessions', { where: ['ends_at <='], orderBy: ['ends_at'] }),
};

export const ENDED_SESSIONS = {
  leftLeases: query('ended_sessions', {
    where: ['ends_at <='],
    with: { ends_leases: 1 },
    orderBy: ['ends_at'],
  }),
  purgeable: query('ended_sessions', { where: ['ends_at <='], orderBy: ['ends_at'] }),
};

export const OPERATOR_TOKENS = {
  byHash: query('operator_tokens', { where: ['hash'] }),
  ofOperator: query('operator_tokens', { where: ['operator'] }),
  expired: query('operator_tokens', { where: ['ends_at <='], orderBy: ['ends_at'] }),
};

export const FINISHED_LOGINS = {
  purgeable: query('finished_logins', { where: ['ends_at <='], orderBy: ['ends_at'] }),
};

export const DEVICE_LOGINS = {
  waiting: query('device_logins', { where: ['issuer', 'ends_at >='] }),
  waitingOf: query('device_logins', { where: ['issuer', 'network', 'ends_at >='] }),
  purgeable: query('device_logins', { where: ['ends_at <='], orderBy: ['ends_at'] }),
};

export const WRAPPED_ANSWERS = {
  ofWorkload: query('wrapped_answers', { where: ['workload'] }),
  expired: query('wrapped_answers', { where: ['ends_at <='], orderBy: ['ends_at'] }),
};

export const SECURITY_KEYS = {
  ofPerson: query('security_keys', { where: ['person'] }),
};

export const DOCUMENT_VERSIONS = {
  ofDocument: query('document_versions', { where: ['kind', 'name'], ...newest('created_at') }),
};

export const SCHEDULES = {
  from: query('rotation_schedules', { where: ['path >='] }),
  dueRuns: query('rotation_schedules', {
    where: ['next_run_at <='],
    with: { active_id: null },
    orderBy: ['next_run_at'],
  }),
  dueDrills: query('rotation_schedules', {
    where: ['next_drill_at <='],
    with: { active_id: null },
    orderBy: ['next_drill_at'],
  }),
  nextRun: query('rotation_schedules', {
    where: ['next_run_at >='],
    with: { active_id: null },
    orderBy: ['next_run_at'],
  }),
  nextDrill: query('rotation_schedules', {
    where: ['next_drill_at >='],
    with: { active_id: null },
    orderBy: ['next_drill_at'],
  }),
  runsBetween: query('rotation_schedules', {
    where: ['next_run_at >=', 'next_run_at <='],
    orderBy: ['next_run_at'],
  }),
  drillsBetween: query('rotation_schedules', {
    where: ['next_drill_at >=', 'next_drill_at <='],
    orderBy: ['next_drill_at'],
  }),
  runsFrom: query('rotation_schedules', { where: ['next_run_at >='], orderBy: ['next_run_at'] }),
  neverProven: query('rotation_schedules', { with: { proven_at: null } }),
  failing: query('rotation_schedules', { where: ['failures >='], orderBy: ['failures'] }),
  rotatedFrom: query('rotation_schedules', { where: ['rotated_at >='], orderBy: ['rotated_at'] }),
};

export const ROTATIONS = {
  due: query('rotations', { where: ['next_attempt_at <='], orderBy: ['next_attempt_at'] }),
  next: query('rotations', { where: ['next_attempt_at >='], orderBy: ['next_attempt_at'] }),
  /** The claims of a connection: a claim is a due time in the near future. */
  claimed: query('rotations', {
    where: ['connection', 'next_attempt_at >=', 'next_attempt_at <='],
    orderBy: ['next_attempt_at'],
  }),
  inState: query('rotations', { where: ['state'] }),
  inCanary: query('rotations', { with: { state: 'running', step: 'canary' } }),
  settling: query('rotations', { with: { state: 'running', step: 'settle' } }),
  ofMount: query('rotations', { where: ['mount_uid', 'state'] }),
  ofPath: query('rotations', { where: ['path'], ...newest('created_at') }),
  ofPathAndKind: query('rotations', { where: ['path', 'kind'], ...newest('created_at') }),
  purgeable: query('rotations', { where: ['ended_at <='], orderBy: ['ended_at'] }),
};

export const ROTATION_STEPS = {
  ofRotation: query('rotation_steps', { where: ['rotation_id'], ...newest('seq') }),
  begun: query('rotation_steps', { where: ['rotation_id'], with: { outcome: 'begun' } }),
};

export const ACKNOWLEDGEMENTS = {
  ofPath: query('acknowledgements', { where: ['path'] }),
  purgeable: query('acknowledgements', { where: ['at <='], orderBy: ['at'] }),
};

export const ALERTS = {
  newest: query('alerts', newest('received_at')),
  newestInState: query('alerts', { where: ['state'], ...newest('received_at') }),
  inState: query('alerts', { where: ['state'], orderBy: ['received_at'] }),
  before: query('alerts', { where: ['received_at <='], orderBy: ['received_at'] }),
  /** Responses whose rotations are due. */
  due: query('alerts', { where: ['state', 'next_attempt_at <='], orderBy: ['next_attempt_at'] }),
  endedOf: query('alerts', { where: ['source', 'ended_at >='] }),
  endedOfNamespace: query('alerts', { where: ['source', 'namespace', 'ended_at >='] }),
  rotatedBy: query('alerts', { where: ['source', 'rotated_at >='], orderBy: ['rotated_at'] }),
};

export const CHANGES = {
  from: query('changes', { where: ['seq >='] }),
};

export const SECRETS = {
  below: query('secrets', { where: ['path starts with'] }),
  overdue: query('secrets', { where: ['destroy_at <='], orderBy: ['destroy_at'] }),
  versions: query('secret_versions', {
    where: ['secret_id', 'version <='],
    orderBy: ['version'],
    descending: true,
  }),
};

export const ROOT_KEYS = {
  byAge: query('root_keys', { orderBy: ['created_at'] }),
  versionsUnder: query('secret_versions', { where: ['root_key_id'] }),
};

export const ATTESTATIONS = {
  ofDigest: query('attestations', { where: ['digest'] }),
};

export const CLAIMS = {
  ofOwner: query('claims', { where: ['name', 'owner', 'epoch'] }),
};

export const LOG = {
  lastBatchOf: query('audit_batches', {
    where: ['writer'],
    orderBy: ['first_seq'],
    descending: true,
  }),
  lastBatchUpTo: query('audit_batches', {
    where: ['writer', 'first_seq <='],
    orderBy: ['first_seq'],
    descending: true,
  }),
  /** The last batch of the newest boot. */
  newestBatch: query('audit_batches', newest('writer')),
  batchesFrom: query('audit_batches', {
    where: ['writer', 'first_seq >='],
    orderBy: ['first_seq'],
  }),
  segmentOfBatch: query('log_segments', { where: ['writer', 'first_seq'] }),
  lastSegmentOf: query('log_segments', {
    where: ['writer'],
    orderBy: ['first_seq'],
    descending: true,
  }),
  segmentBefore: query('log_segments', {
    where: ['first_index <='],
    orderBy: ['first_index'],
    descending: true,
  }),
  segmentsBetween: query('log_segments', { where: ['first_index >=', 'first_index <='] }),
  closedBefore: query('audit_segments', {
    where: ['first_index <='],
    orderBy: ['first_index'],
    descending: true,
  }),
  termBefore: query('log_terms', {
    where: ['kind', 'term', 'bundle <='],
    orderBy: ['bundle'],
    descending: true,
  }),
  tilesBetween: query('log_tiles', { where: ['level', 'tile_index >=', 'tile_index <='] }),
  tilesUpTo: query('log_tiles', {
    where: ['level', 'tile_index <='],
    orderBy: ['tile_index'],
    descending: true,
  }),
  closedBetween: query('audit_segments', { where: ['first_index >=', 'first_index <='] }),
  newestCheckpoints: query('log_checkpoints', { orderBy: ['size'], descending: true }),
  checkpointsOfSize: query('log_checkpoints', { where: ['size >='], orderBy: ['size'] }),
  checkpointsFrom: query('log_checkpoints', { where: ['at >='], orderBy: ['at'] }),
  checkpointsBefore: query('log_checkpoints', {
    where: ['at <='],
    orderBy: ['at'],
    descending: true,
  }),
};

export const LOG_READS = {
  ofReader: query('log_reads', { where: ['reader'] }),
  ofIdentity: query('log_reads', { where: ['identity'] }),
  ofNode: query('log_reads', { where: ['node'] }),
  ofPath: query('log_reads', { where: ['path'] }),
};

export const SEEN_PODS = {
  withTrait: query('seen_pods', { where: ['cluster', 'trait'] }),
  ofPod: query('seen_pods', { where: ['cluster', 'uid'] }),
  named: query('seen_pods', { where: ['cluster', 'namespace', 'name'], orderBy: ['uid'] }),
  before: query('seen_pods', { where: ['seen_at <='], orderBy: ['seen_at'] }),
};

/** All queries, for the test of their plans. */
export const QUERIES = {
  LEASES,
  CREDENTIALS,
  SESSIONS,
  ENDED_SESSIONS,
  OPERATOR_TOKENS,
  FINISHED_LOGINS,
  SECURITY_KEYS,
  DOCUMENT_VERSIONS,
  SCHEDULES,
  ROTATIONS,
  ROTATION_STEPS,
  ACKNOWLEDGEMENTS,
  ALERTS,
  CHANGES,
  SECRETS,
  ROOT_KEYS,
  ATTESTATIONS,
  CLAIMS,
  LOG,
  LOG_READS,
  SEEN_PODS,
};
