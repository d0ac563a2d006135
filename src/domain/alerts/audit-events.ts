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

/** Reads one event. Refused requests, and those that open no way into a pod, give nothing. */
function alertsOf(event: AlertNode): readonly Alert[] {
  const object = event.at('objectRef');
  const found = AUDIT_RULES.get(object.at('subresource').text() ?? '');
  const isOfPod = object.at('resource').text() === 'pods';
  const code = event.at('responseStatus', 'code').number() ?? 0;
  // A stream has the stage ResponseStarted when it opens, and ResponseComplete only when it closes.
  const hasAnswer = event.at('stage').text()?.startsWith('Response') === true;
  if (!found?.verbs.includes(event.at('verb').text())) return [];
  if (!isOfPod || !hasAnswer || code >= 400) return [];
  return [
    {
      rule: found.rule,
      tags: ['T1609'],
      priority: 'warning',
      time: event.at('requestReceivedTimestamp').instant(),
      // The client may choose the audit id. It does not choose the time, in microseconds, at which the API server received the request.
      instance: `${event.at('auditID').text() ?? ''} ${event.at('requestReceivedTimestamp').text() ?? ''}`,
      node: undefined,
      container: { id: undefined, imageDigest: undefined },
      pod: {
        namespace: object.at('namespace').text(),
        name: object.at('name').text(),
        uid: object.at('uid').text(),
      },
      isTest: false,
    },
  ];
}

/** The members that `alertsOf` reads. */
const EVENT = {
  kind: true,
  auditID: true,
  stage: true,
  verb: true,
  requestReceivedTimestamp: true,
  objectRef: { resource: true, subresource: true, namespace: true, name: true, uid: true },
  responseStatus: { code: true },
} as const;
const SHAPE = { list: 'items', item: EVENT, root: EVENT };

/**
 * Reads the same document in pieces. The client of the API server chooses the arguments of a command, which are a part of the address, and other headers of its
 * request: so these members may be as large as the API server lets them be.
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
