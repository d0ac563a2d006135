import type { AuditActor, ClientFacts } from './audit-actor.ts';
import type {
  AuditEvent,
  AuditFacts,
  BootReference,
  EncodedActor,
  EncodedClient,
  HeadReference,
} from './audit-actions.ts';
import { encodeText, type TextDigest } from './audit-text.ts';
import { instant } from './instant.ts';
import { workloadId } from './workload.ts';

export type { AuditAction, AuditEvent, EncodedActor, EncodedClient } from './audit-actions.ts';
export type { AuditActor, ClientFacts } from './audit-actor.ts';

type Texts = Readonly<Record<string, string | number | undefined>>;

/** Members of an object in the order given, without the braces. */
function members(fields: Texts, digest: TextDigest): string {
  let text = '';
  for (const [name, value] of Object.entries(fields)) {
    if (value === undefined) continue;
    const encoded = typeof value === 'number' ? String(value) : encodeText(value, digest);
    text += `${text === '' ? '' : ','}"${name}":${encoded}`;
  }
  return text;
}

function actorFields(actor: AuditActor): Texts {
  switch (actor.kind) {
    case 'workload': {
      const { workload } = actor;
      return {
        kind: actor.kind,
        id: workloadId(workload),
        cluster: workload.cluster,
        namespace: workload.namespace,
        serviceAccount: workload.serviceAccount,
        serviceAccountUid: workload.serviceAccountUid,
        podName: workload.pod?.name,
        podUid: workload.pod?.uid,
        nodeName: workload.node?.name,
        nodeUid: workload.node?.uid,
        session: actor.session,
      };
    }
    case 'operator':
      return { kind: actor.kind, id: actor.operator, token: actor.token };
    case 'system':
      return { kind: actor.kind, id: actor.name };
    case 'unauthenticated':
      return { kind: actor.kind };
  }
}

/** Once a session: 0.1 of an entry's cost then goes to who acts. */
export function encodeActor(actor: AuditActor, digest: TextDigest): EncodedActor {
  return `"actor":{${members(actorFields(actor), digest)}}` as EncodedActor;
}

export function encodeClient(client: ClientFacts, digest: TextDigest): EncodedClient {
  const { address, userAgent, requestId, method, target } = client;
  return `"client":{${members({ address, userAgent, requestId, method, target }, digest)}}` as EncodedClient;
}

function encodeHead(head: HeadReference, digest: TextDigest): string {
  return `{${members({ writer: head.writer, seq: head.seq, head: head.head }, digest)}}`;
}

function encodeBoot(boot: BootReference, digest: TextDigest): string {
  const { release, key, endorsement, treeSize, treeRoot } = boot;
  const heads = boot.heads.map((head) => encodeHead(head, digest)).join(',');
  const own = members({ release, key, endorsement, treeSize, treeRoot }, digest);
  return `{${own},"heads":[${heads}]}`;
}

/** One optional text member, with the comma before it. */
const textFact = (name: string, value: string | undefined, digest: TextDigest): string =>
  value === undefined ? '' : `,"${name}":${encodeText(value, digest)}`;

/** Written out rather than looped over: reading properties by name doubles the cost of an entry. */
function encodeTexts(facts: Partial<AuditFacts>, digest: TextDigest): string {
  return (
    textFact('path', facts.path, digest) +
    textFact('version', facts.version, digest) +
    textFact('mount', facts.mount, digest) +
    textFact('lease', facts.lease, digest) +
    textFact('credential', facts.credential, digest) +
    textFact('session', facts.session, digest) +
    textFact('workload', facts.workload, digest) +
    textFact('fingerprint', facts.fingerprint, digest) +
    textFact('token', facts.token, digest) +
    textFact('tokenId', facts.tokenId, digest) +
    textFact('method', facts.method, digest) +
    textFact('cause', facts.cause, digest) +
    textFact('comment', facts.comment, digest) +
    textFact('query', facts.query, digest) +
    textFact('rotation', facts.rotation, digest) +
    textFact('step', facts.step, digest) +
    textFact('requestedBy', facts.requestedBy, digest) +
    textFact('claimedUid', facts.claimedUid, digest) +
    textFact('reviewedUid', facts.reviewedUid, digest) +
    textFact('keyThumbprint', facts.keyThumbprint, digest) +
    textFact('quarantine', facts.quarantine, digest)
  );
}

function encodeReferences(facts: Partial<AuditFacts>, digest: TextDigest): string {
  let text = '';
  if (facts.policy !== undefined) {
    const { name, version, rule } = facts.policy;
    text += `,"policy":{"name":${encodeText(name, digest)},"version":${version},"rule":${encodeText(rule, digest)}}`;
  }
  if (facts.document !== undefined) {
    const { kind, name, version } = facts.document;
    text += `,"document":{${members({ kind, name, version }, digest)}}`;
  }
  if (facts.pod !== undefined) {
    const { cluster, namespace, name, uid } = facts.pod;
    text += `,"pod":{${members({ cluster, namespace, name, uid }, digest)}}`;
  }
  if (facts.boot !== undefined) text += `,"boot":${encodeBoot(facts.boot, digest)}`;
  return text;
}

function encodeNumbers(facts: Partial<AuditFacts>): string {
  let text = '';
  if (facts.item !== undefined) text += `,"item":${facts.item}`;
  if (facts.count !== undefined) text += `,"count":${facts.count}`;
  if (facts.endsAt !== undefined) text += `,"endsAt":"${instant(facts.endsAt)}"`;
  if (facts.since !== undefined) text += `,"since":"${instant(facts.since)}"`;
  return text;
}

/**
 * The body of an entry: one JSON object in the canonical form of docs/spec/audit-log-v1.md, printable ASCII, to which
 * the chain adds `writer`, `seq` and `prev`.
 */
export function encodeEvent(event: AuditEvent, digest: TextDigest): string {
  const facts: Partial<AuditFacts> = event as Partial<AuditFacts>;
  let text =
    `{"time":"${instant(event.time)}","requestId":${encodeText(event.requestId, digest)},` +
    `${event.actor},"action":"${event.action}","outcome":"${event.outcome}"`;
  if (event.code !== undefined) text += `,"code":"${event.code}"`;
  if (event.reason !== undefined) text += `,"reason":${encodeText(event.reason, digest)}`;
  if (event.client !== undefined) text += `,${event.client}`;
  return `${text}${encodeTexts(facts, digest)}${encodeReferences(facts, digest)}${encodeNumbers(facts)}}`;
}
