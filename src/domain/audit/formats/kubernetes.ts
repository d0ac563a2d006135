import { actorName, asciiJson, present, type EntryMembers, type LogRecord } from './log-record.ts';

const GROUP = 'quaymaster.dev';
const STATUS_CODES = { ok: 200, deny: 403, error: 500 } as const;

/** An audit event of Kubernetes (audit.k8s.io/v1, level Metadata), on one line. */
export function kubernetesEvent(record: LogRecord): string {
  const { entry, row, object, located } = record;
  const { client, outcome, code, time } = entry;
  // `metav1.MicroTime` has six digits; entries have three.
  const stamp = time.replace(/Z$/, '000Z');
  return asciiJson(
    present({
      kind: 'Event',
      apiVersion: 'audit.k8s.io/v1',
      level: 'Metadata',
      auditID: uuidOf(located.leafHash),
      stage: 'ResponseComplete',
      requestURI: client?.target ?? `/apis/${GROUP}/v1/${row.resource}`,
      verb: row.verb,
      user: userOf(entry),
      sourceIPs: client?.address === undefined ? undefined : [client.address],
      userAgent: client?.userAgent,
      objectRef: present({
        resource: row.resource,
        name: object,
        apiGroup: GROUP,
        apiVersion: 'v1',
      }),
      responseStatus: present({
        metadata: {},
        status: outcome === 'ok' ? 'Success' : 'Failure',
        reason: code,
        code: STATUS_CODES[outcome],
      }),
      requestReceivedTimestamp: stamp,
      stageTimestamp: stamp,
      annotations: annotationsOf(record),
    }),
  );
}

/** The same entry always has the same id, so that a receiver can drop repetitions. */
function uuidOf(leafHash: string): string {
  const hex = leafHash.slice(0, 32);
  return [0, 8, 12, 16, 20].map((at, i, all) => hex.slice(at, all[i + 1])).join('-');
}

/** Names as the API server writes them, so that rules for service accounts match. */
function userOf(entry: EntryMembers): object {
  const { kind, namespace, serviceAccount, serviceAccountUid } = entry.actor ?? {};
  if (kind === 'unauthenticated' || kind === undefined)
    return { username: 'system:anonymous', groups: ['system:unauthenticated'] };
  if (namespace === undefined || serviceAccount === undefined)
    return { username: `quaymaster:${kind}:${actorName(entry)}`, groups: [`quaymaster:${kind}s`] };
  return present({
    username: `system:serviceaccount:${namespace}:${serviceAccount}`,
    uid: serviceAccountUid,
    groups: ['system:serviceaccounts', `system:serviceaccounts:${namespace}`],
    extra: extraOf(entry),
  });
}

function extraOf({ actor }: EntryMembers): object | undefined {
  const facts = {
    'authentication.kubernetes.io/pod-name': actor?.podName,
    'authentication.kubernetes.io/pod-uid': actor?.podUid,
    'authentication.kubernetes.io/node-name': actor?.nodeName,
  };
  const known = Object.entries(facts).filter(([, value]) => value !== undefined);
  if (known.length === 0) return undefined;
  return Object.fromEntries(known.map(([name, value]) => [name, [value]]));
}

function annotationsOf({ entry, located }: LogRecord): object {
  const { policy, outcome, reason } = entry;
  return present({
    'authorization.k8s.io/decision': outcome === 'deny' ? 'forbid' : 'allow',
    'authorization.k8s.io/reason': reason,
    [`${GROUP}/action`]: entry.action,
    [`${GROUP}/outcome`]: outcome,
    [`${GROUP}/actor`]: actorName(entry),
    [`${GROUP}/version`]: entry.version,
    [`${GROUP}/policy`]: policy && `${policy.name} ${policy.version} ${policy.rule}`,
    [`${GROUP}/request-id`]: entry.requestId,
    [`${GROUP}/log-index`]: String(located.index),
    [`${GROUP}/log-origin`]: located.origin,
    [`${GROUP}/leaf-hash`]: located.leafHash,
  });
}
