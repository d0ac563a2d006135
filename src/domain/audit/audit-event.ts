import type { AuditActor, ClientFacts } from './audit-actor.ts';
import {
  chosenFact,
  encodeTexts,
  textFact,
  type ArchiveReference,
  type AuditEvent,
  type AuditFacts,
  type BootReference,
  type EncodedActor,
  type EncodedClient,
  type EncodedLocator,
  type CheckpointReference,
  type HeadReference,
  type OriginReference,
} from './audit-actions.ts';
import { encodeText, refusedText, type TextDigest } from './audit-text.ts';
import { instant } from '../time/instant.ts';
import { redactCredentials } from '../words/redact-credentials.ts';
import { workloadId } from '../identity/workload.ts';

export type {
  AuditAction,
  AuditEvent,
  EncodedActor,
  EncodedClient,
  EncodedLocator,
} from './audit-actions.ts';
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
      const { workload, session } = actor;
      const { cluster } = workload;
      const id = workloadId(workload);
      // The parts of an OIDC identity have no names of their own.
      if ('identity' in workload) return { kind: actor.kind, id, cluster, session };
      return {
        kind: actor.kind,
        id,
        cluster,
        namespace: workload.namespace,
        serviceAccount: workload.serviceAccount,
        serviceAccountUid: workload.serviceAccountUid,
        podName: workload.pod?.name,
        podUid: workload.pod?.uid,
        nodeName: workload.node?.name,
        nodeUid: workload.node?.uid,
        session,
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

/**
 * Encodes an actor, once for each session: this takes a tenth of the time of an entry. V8 joins an array into one flat text. Sessions keep it, and a
 * template would keep its 40 parts (measured: 18 MB for 10,000 sessions).
 */
export function encodeActor(actor: AuditActor, digest: TextDigest): EncodedActor {
  return ['"actor":{', members(actorFields(actor), digest), '}'].join('') as EncodedActor;
}

/** `shown` returns the part that the entry keeps of a text that the client chose. */
function clientFragment(
  client: ClientFacts,
  digest: TextDigest,
  shown: (text: string) => string,
): EncodedClient {
  const { address, face, method } = client;
  const kept = (text: string | undefined): string | undefined =>
    text === undefined ? undefined : shown(text);
  const chosen = {
    userAgent: kept(client.userAgent),
    requestId: kept(client.requestId),
    method,
    target: kept(client.target),
  };
  return `"client":{${members({ address, face, ...chosen }, digest)}}` as EncodedClient;
}

export function encodeClient(client: ClientFacts, digest: TextDigest): EncodedClient {
  return clientFragment(client, digest, redactCredentials);
}

/** Encodes a client for the entry of a refusal, which keeps less of each text. */
export function encodeRefusedClient(client: ClientFacts, digest: TextDigest): EncodedClient {
  return clientFragment(client, digest, (text) => refusedText(text, digest));
}

/** Encodes the place of something at its backend, as `<kind>:<locator>`; called once for each value, because every read of it is an entry. */
export function encodeLocator(kind: string, locator: string, digest: TextDigest): EncodedLocator {
  const text = encodeText(redactCredentials(`${kind}:${locator}`), digest);
  return `,"locator":${text}` as EncodedLocator;
}

function encodeChainHead(head: HeadReference, digest: TextDigest): string {
  return `{${members({ writer: head.writer, seq: head.seq, head: head.head }, digest)}}`;
}

function encodeBoot(boot: BootReference, digest: TextDigest): string {
  const { release, key, endorsement, treeSize, treeRoot } = boot;
  const heads = boot.heads.map((head) => encodeChainHead(head, digest)).join(',');
  const own = members({ release, key, endorsement, treeSize, treeRoot }, digest);
  return `{${own},"heads":[${heads}]}`;
}

function encodeOrigin(
  { origin, previous, abandoned }: OriginReference,
  digest: TextDigest,
): string {
  const rest = abandoned && `,"abandoned":${encodeCheckpoint(abandoned, digest)}`;
  return `{${members({ origin }, digest)},"previous":${encodeCheckpoint(previous, digest)}${rest ?? ''}}`;
}

function encodeCheckpoint({ origin, size, root }: CheckpointReference, digest: TextDigest): string {
  return `{${members({ origin, size, root }, digest)}}`;
}

function encodeArchive(archive: ArchiveReference, digest: TextDigest): string {
  const { first, end, root, place } = archive;
  const objects = archive.objects.map(
    ({ name, end: last, sha256 }) => `{${members({ name, end: last, sha256 }, digest)}}`,
  );
  return `{${members({ first, end, root, place }, digest)},"objects":[${objects.join(',')}]}`;
}

function encodeReferences(facts: Partial<AuditFacts>, digest: TextDigest): string {
  let text = '';
  if (facts.policy !== undefined) {
    const { name, version, rule } = facts.policy;
    text += `,"policy":{"name":${encodeText(name, digest)},"version":${version},"rule":${encodeText(rule, digest)}}`;
  }
  if (facts.document !== undefined) {
    const { kind, version } = facts.document;
    const name = redactCredentials(facts.document.name);
    text += `,"document":{${members({ kind, name, version }, digest)}}`;
  }
  if (facts.pod !== undefined) {
    const { cluster, namespace, name, uid } = facts.pod;
    text += `,"pod":{${members({ cluster, namespace, name, uid }, digest)}}`;
  }
  if (facts.boot !== undefined) text += `,"boot":${encodeBoot(facts.boot, digest)}`;
  if (facts.log !== undefined) text += `,"log":${encodeOrigin(facts.log, digest)}`;
  if (facts.archive !== undefined) text += `,"archive":${encodeArchive(facts.archive, digest)}`;
  return text;
}

function encodeNumbers(facts: Partial<AuditFacts>): string {
  let text = '';
  if (facts.item !== undefined) text += `,"item":${facts.item}`;
  if (facts.count !== undefined) text += `,"count":${facts.count}`;
  if (facts.endsAt !== undefined) text += `,"endsAt":"${instant(facts.endsAt)}"`;
  if (facts.since !== undefined) text += `,"since":"${instant(facts.since)}"`;
  if (facts.last !== undefined) text += `,"last":"${instant(facts.last)}"`;
  return text;
}

type HeadFields = Pick<
  AuditEvent,
  'time' | 'requestId' | 'actor' | 'action' | 'outcome' | 'code' | 'reason' | 'client'
>;

/** The beginning of the last entry. The items of a batch share it, and it is half of each entry. */
let lastHead: { readonly of: HeadFields; text: string; isShared: boolean } | undefined;

function isHeadOf(of: HeadFields, event: HeadFields): boolean {
  return (
    of.requestId === event.requestId &&
    of.time === event.time &&
    of.actor === event.actor &&
    of.action === event.action &&
    of.outcome === event.outcome &&
    of.code === event.code &&
    of.reason === event.reason &&
    of.client === event.client
  );
}

/** The members from the time to the client. */
function encodeHead(event: HeadFields, digest: TextDigest): string {
  if (lastHead !== undefined && isHeadOf(lastHead.of, event)) {
    // A text in one piece: otherwise each entry would join its parts again.
    if (!lastHead.isShared) lastHead.text = Buffer.from(lastHead.text, 'latin1').toString('latin1');
    lastHead.isShared = true;
    return lastHead.text;
  }
  const { time, requestId, actor, action, outcome, code, reason, client } = event;
  let text =
    `{"time":"${instant(time)}","requestId":${encodeText(requestId, digest)},` +
    `${actor},"action":"${action}","outcome":"${outcome}"`;
  if (code !== undefined) text += `,"code":"${code}"`;
  if (reason !== undefined) text += `,"reason":${encodeText(reason, digest)}`;
  if (client !== undefined) text += `,${client}`;
  const of = { time, requestId, actor, action, outcome, code, reason, client };
  lastHead = { of, text, isShared: false };
  return text;
}

/**
 * The body of an entry: one JSON object in the canonical form of internals/spec/audit-log-v1.md, printable ASCII. The chain adds `writer`, `seq` and
 * `prev` to it.
 */
export function encodeEvent(event: AuditEvent, digest: TextDigest): string {
  const facts: Partial<AuditFacts> = event as Partial<AuditFacts>;
  const head = encodeHead(event, digest);
  // The name of a secret that was read was checked when the secret was created, so the most frequent entry skips the check.
  const named = event.action === 'secret.read' && event.outcome === 'ok' ? textFact : chosenFact;
  return `${head}${encodeTexts(facts, digest, named)}${encodeReferences(facts, digest)}${encodeNumbers(facts)}}`;
}

/** Texts of an event that no caller chooses. */
const OWN_TEXTS: readonly string[] = [
  'requestId',
  'actor',
  'action',
  'outcome',
  'code',
  'reason',
  'client',
  'locator',
  'refused',
] satisfies (keyof AuditEvent | keyof AuditFacts)[];

/** Encodes an event like `encodeEvent`, for a refused or failed request: each text that the caller may have chosen is cut (see `refusedText`). */
export function encodeRefusal(event: AuditEvent, digest: TextDigest): string {
  const cut = Object.entries(event).map(([name, value]: [string, unknown]) => [
    name,
    typeof value === 'string' && !OWN_TEXTS.includes(name) ? refusedText(value, digest) : value,
  ]);
  const facts = Object.fromEntries(cut) as AuditEvent & Partial<AuditFacts>;
  const { document } = facts;
  if (document === undefined) return encodeEvent(facts, digest);
  const name = refusedText(document.name, digest);
  return encodeEvent({ ...facts, document: { ...document, name } } as AuditEvent, digest);
}
