import { OCSF_CLASSES, type OcsfClass } from '../format-row.ts';
import { actorName, asciiJson, present, type EntryMembers, type LogRecord } from './log-record.ts';

const SCHEMA_VERSION = '1.8.0';
const PRODUCT = { name: 'Quaymaster', vendor_name: 'Quaymaster' };
const OTHER = 99;
/** The dictionary of OCSF: Allowed and Denied, and Blocked, Error and Quarantined. */
const ACTIONS = { ok: 1, deny: 2, error: 0 } as const;
const DISPOSITIONS = { ok: 1, deny: 2, error: 27 } as const;
const QUARANTINED = 3;
const USER_TYPES: Readonly<Record<string, number>> = { workload: 4, operator: 1, system: 3 };

/** An event of OCSF 1.8.0, on one line. */
export function ocsfEvent(record: LogRecord): string {
  const { entry, row, severity, time, object } = record;
  const { action, outcome, code, reason, policy, count } = entry;
  const { class: uid, category } = OCSF_CLASSES[row.class];
  return asciiJson(
    present({
      activity_id: row.activity,
      activity_name: row.activity === OTHER ? action : undefined,
      category_uid: category,
      class_uid: uid,
      type_uid: uid * 100 + row.activity,
      time,
      severity_id: severityId(severity),
      message: object === undefined ? action : `${action} ${object}`,
      status_id: statusId(record),
      status_code: code,
      status_detail: reason,
      action_id: ACTIONS[outcome],
      disposition_id:
        action === 'quarantine.create' && outcome === 'ok' ? QUARANTINED : DISPOSITIONS[outcome],
      count,
      policy: policy && { name: policy.name, version: String(policy.version), uid: policy.rule },
      ...MEMBERS[row.class](record),
      metadata: metadataOf(record),
      unmapped: { record_integrity: integrityOf(record) },
      raw_data: record.located.entry,
    }),
  );
}

function severityId(severity: number): number {
  if (severity >= 9) return 5;
  if (severity >= 7) return 4;
  return severity >= 4 ? 3 : 1;
}

/** The status of a finding is the state of its handling. */
function statusId({ row, entry: { outcome } }: LogRecord): number {
  if (row.class === 'finding') return outcome === 'ok' ? 1 : OTHER;
  return outcome === 'ok' ? 1 : 2;
}

function metadataOf({ located: { origin, index }, entry }: LogRecord): object {
  return present({
    version: SCHEMA_VERSION,
    product: PRODUCT,
    profiles: ['security_control'],
    uid: `${origin}#${index}`,
    sequence: index,
    log_name: origin,
    event_code: entry.action,
    correlation_uid: entry.requestId,
    original_time: entry.time,
  });
}

/** `raw_data` is the input of the hash: with the byte 0 before it, RFC 6962. */
function integrityOf({ located: { origin, index, leafHash } }: LogRecord): object {
  return { index, origin, leaf_hash: leafHash, algorithm: 'SHA-256' };
}

type Members = (record: LogRecord) => object;

const MEMBERS: Readonly<Record<OcsfClass, Members>> = {
  api: ({ entry, row, object }) => ({
    actor: actorOf(entry),
    src_endpoint: sourceOf(entry),
    api: { operation: entry.action, request: { uid: entry.requestId ?? '' } },
    resources: resourcesOf(entry, row.resource, object),
  }),
  authentication: ({ entry }) => ({
    user: entry.workload === undefined ? userOf(entry) : { name: entry.workload, type_id: 4 },
    actor: actorOf(entry),
    service: { name: 'quaymaster' },
    src_endpoint: sourceOf(entry),
    session: entry.session === undefined ? undefined : { uid: entry.session },
  }),
  account: ({ entry, object }) => ({
    user: present({ name: object ?? 'unknown', uid: entry.credential ?? entry.rotation }),
    actor: actorOf(entry),
    src_endpoint: sourceOf(entry),
  }),
  entity: ({ entry, row, object }) => ({
    entity: { type: row.resource, name: object ?? row.resource },
    actor: actorOf(entry),
    src_endpoint: sourceOf(entry),
    comment: entry.comment,
  }),
  finding: ({ entry, row, object, located: { origin, index } }) => ({
    finding_info: {
      uid: entry.quarantine ?? `${origin}#${index}`,
      title: `${entry.action} by ${actorName(entry)}`,
    },
    resources: resourcesOf(entry, row.resource, entry.workload ?? entry.pod?.uid ?? object),
    comment: entry.comment,
  }),
};

function userOf(entry: EntryMembers): object {
  const { kind = '', serviceAccountUid, token } = entry.actor ?? {};
  return present({
    name: actorName(entry),
    uid: serviceAccountUid ?? token,
    type_id: USER_TYPES[kind] ?? 0,
  });
}

function actorOf(entry: EntryMembers): object {
  const { session } = entry.actor ?? {};
  return present({
    user: userOf(entry),
    session: session === undefined ? undefined : { uid: session },
  });
}

/** The client; an entry without a client is an action of the broker itself. */
function sourceOf({ client }: EntryMembers): object {
  return client?.address === undefined ? { svc_name: 'quaymaster' } : { ip: client.address };
}

function resourcesOf(
  { version }: EntryMembers,
  type: string,
  name: string | undefined,
): readonly object[] | undefined {
  return name === undefined ? undefined : [present({ type, name, version })];
}
