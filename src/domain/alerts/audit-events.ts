import { BrokerError } from '../errors.ts';
import { MalformedStream, StreamedJson } from '../text/streamed-json.ts';
import type { Alert } from './alert.ts';
import { AlertNode, required } from './alert-node.ts';

/** `get` opens a stream over a WebSocket. For `ephemeralcontainers`, `get` only reads the pod, as kubectl does before each patch. */
const STREAM_VERBS: readonly (string | undefined)[] = ['create', 'get'];
const CHANGE_VERBS: readonly (string | undefined)[] = ['update', 'patch'];
const AUDIT_RULES = new Map([
  ['exec', { rule: 'pod_exec', verbs: STREAM_VERBS }],
  ['attach', { rule: 'pod_attach', verbs: STREAM_VERBS }],
  ['ephemeralcontainers', { rule: 'pod_ephemeral_container', verbs: CHANGE_VERBS }],
]);

const KINDS: readonly (string | undefined)[] = ['Event', 'EventList'];

/** Alerts of one event of audit.k8s.io, or of a list of them. @throws ERR_BODY_INVALID */
export function auditAlerts(body: AlertNode): readonly Alert[] {
  checkKind(body);
  const events = body.at('kind').text() === 'Event' ? [body] : body.at('items').items();
  return events.flatMap(alertsOf);
}

function checkKind(body: AlertNode): void {
  const isKnown = KINDS.includes(body.at('kind').text());
  required(isKnown || undefined, '/kind', 'must be Event or EventList of audit.k8s.io/v1');
}

/** A way into a pod that an event reports, and what it says of the pod. */
interface Way {
  readonly rule: string;
  readonly node?: string | undefined;
  readonly pod: Alert['pod'];
}

/** Reads one event. Refused requests, and those that open no way into a pod, give nothing. */
function alertsOf(event: AlertNode): readonly Alert[] {
  const code = event.at('responseStatus', 'code').number() ?? 0;
  // A stream has the stage ResponseStarted when it opens, and ResponseComplete only when it closes.
  const hasAnswer = event.at('stage').text()?.startsWith('Response') === true;
  if (!hasAnswer || code >= 400) return [];
  const way = wayIntoPod(event);
  if (way === undefined) return [];
  return [
    {
      rule: way.rule,
      tags: ['T1609'],
      priority: 'warning',
      time: event.at('requestReceivedTimestamp').instant(),
      // The client may choose the audit id. It does not choose the time, in microseconds, at which the API server received the request.
      instance: `${event.at('auditID').text() ?? ''} ${event.at('requestReceivedTimestamp').text() ?? ''}`,
      node: way.node,
      container: { id: undefined, imageDigest: undefined },
      pod: way.pod,
      isTest: false,
    },
  ];
}

function wayIntoPod(event: AlertNode): Way | undefined {
  const object = event.at('objectRef');
  const [resource, subresource] = [object.at('resource').text(), object.at('subresource').text()];
  const verb = event.at('verb').text();
  const name = object.at('name').text();
  if (resource === 'nodes' && subresource === 'proxy') {
    if (!STREAM_VERBS.includes(verb)) return undefined;
    const way = wayThroughKubelet(event.at('requestURI').value);
    return way && { ...way, node: name };
  }
  const found = AUDIT_RULES.get(subresource ?? '');
  if (resource !== 'pods' || !found?.verbs.includes(verb)) return undefined;
  const pod = { namespace: object.at('namespace').text(), name, uid: object.at('uid').text() };
  return { rule: found.rule, pod };
}

/** Requests of a kubelet that open a way into a pod: `/exec/NAMESPACE/POD[/UID]/CONTAINER`. It finds the pod by its name and ignores the UID. */
const KUBELET_RULES = new Map([
  ['exec', 'pod_exec'],
  ['run', 'pod_exec'],
  ['attach', 'pod_attach'],
]);
const NODE_PROXY = /^\/+api\/v1\/nodes\/[^/]+\/proxy(?=\/|$)/;
const UNNAMED: Alert['pod'] = { namespace: undefined, name: undefined, uid: undefined };

/** No request to a kubelet has a longer path. A stream keeps at least this much of an address, also if each character is an escape. */
const LONGEST_PATH = 600;

/** Reads the address of a request to a node. If it cannot be read, it may be a way into any pod. */
function wayThroughKubelet(uri: unknown): Way | undefined {
  const [path = ''] = typeof uri === 'string' ? uri.slice(0, LONGEST_PATH + 1).split('?') : [];
  const decoded = decodedPath(path);
  const proxied = NODE_PROXY.exec(decoded)?.[0];
  if (proxied === undefined || path.length > LONGEST_PATH)
    return { rule: 'pod_exec', pod: UNNAMED };
  const [way = '', ...names] = segmentsOf(decoded.slice(proxied.length));
  const rule = KUBELET_RULES.get(way);
  if (rule === undefined) return undefined;
  const [namespace, name] = names.map((each) => new AlertNode(each).text());
  return { rule, pod: { namespace, name, uid: undefined } };
}

/** Decodes a path once, as the API server does. Names of pods are ASCII, so other bytes need no character. */
function decodedPath(path: string): string {
  return path.replaceAll(/%([0-9a-f]{2})/gi, (_, byte: string) =>
    String.fromCharCode(Number.parseInt(byte, 16)),
  );
}

/** Resolves `.`, `..` and empty segments, as the API server does before it passes a path on. */
function segmentsOf(path: string): readonly string[] {
  const segments: string[] = [];
  for (const segment of path.split('/')) {
    if (segment === '..') segments.pop();
    else if (segment !== '' && segment !== '.') segments.push(segment);
  }
  return segments;
}

/** The members that `alertsOf` reads. */
const EVENT = {
  kind: true,
  auditID: true,
  stage: true,
  verb: true,
  requestURI: 'start',
  requestReceivedTimestamp: true,
  objectRef: { resource: true, subresource: true, namespace: true, name: true, uid: true },
  responseStatus: { code: true },
} as const;
const SHAPE = { list: 'items', item: EVENT, root: EVENT };

/**
 * Reads the same document in pieces. The client of the API server chooses the arguments of a command, which are a part of the address, and other headers of its
 * request: so these members may be as large as the API server lets them be. Of the address only the start is kept.
 */
export class AuditEventStream {
  readonly #json = new StreamedJson(SHAPE);

  /** @throws ERR_BODY_INVALID */
  write(bytes: Buffer): void {
    refusing(() => this.#json.write(bytes));
  }

  /** Returns the alerts of the events that are complete since the last call, also after an error. */
  takeAlerts(): readonly Alert[] {
    return this.#json.takeItems().flatMap((event) => alertsOf(new AlertNode(event)));
  }

  /** Alerts of a document that is one event. @throws ERR_BODY_INVALID if the document is not complete, or is something else. */
  end(): readonly Alert[] {
    refusing(() => this.#json.end());
    const root = new AlertNode(this.#json.root);
    checkKind(root);
    return root.at('kind').text() === 'Event' ? alertsOf(root) : [];
  }
}

/** @throws ERR_BODY_INVALID */
function refusing<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof MalformedStream)) throw error;
    const reason = 'malformed';
    throw new BrokerError('ERR_BODY_INVALID', 'the body is not JSON (RFC 8259)', { reason });
  }
}
