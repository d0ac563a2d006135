/** Events of which people are notified. */
export const NOTIFICATION_EVENTS = [
  'cut-off',
  'limit',
  'decoy',
  'posture',
  'unmatched',
  'incident',
  'answered',
  'quarantine',
] as const;
export type NotificationEvent = (typeof NOTIFICATION_EVENTS)[number];

export type Severity = 'critical' | 'warning' | 'info';

/** One thing that happened, without any value of a secret: it has facts of one entry of the audit log. */
export interface Notification {
  /** Index of the entry; `quaymaster audit proof` proves it. */
  readonly index: number;
  /** `test`: sent by an operator, about no entry. */
  readonly event: NotificationEvent | 'test';
  readonly severity: Severity;
  readonly time: string;
  /** A sentence for people. */
  readonly summary: string;
  /** The id of the alert or the incident. */
  readonly alert?: string;
  readonly rule?: string;
  readonly source?: string;
  /** `cluster/namespace/name` of the pod, or the workload. */
  readonly subject?: string;
}

type Members = Readonly<Record<string, unknown>>;

/** Texts of sensors and pods are shortened: the author of a pod or a rule chooses them. */
const LONGEST = 200;
const QUERY = /^source=(\S+) priority=\S+ rule=(.*)$/s;
/** Effects of an alert that is not only recorded. People know of a response already when a further alert joins it. */
const CUT_OFF = ['quarantine', 'revoke'];
const BEYOND_LIMIT = ['over_limit', 'no_room'];
const WITHOUT_POD = [
  'cluster_unknown',
  'no_pod_named',
  'pod_unknown',
  'facts_differ',
  'older_than_pod',
  'time_missing',
  'watch_not_live',
];

const SEVERITIES: Readonly<Record<NotificationEvent, Severity>> = {
  'cut-off': 'critical',
  limit: 'critical',
  decoy: 'critical',
  posture: 'warning',
  unmatched: 'warning',
  incident: 'critical',
  answered: 'info',
  quarantine: 'warning',
};

/** Notification of an entry, which the broker wrote and proved; undefined if people need not know of it. */
export function notificationOf(
  text: string,
  index: number,
): (Notification & { readonly event: NotificationEvent }) | undefined {
  const entry = JSON.parse(text) as Members;
  if (entry['outcome'] !== 'ok') return undefined;
  const facts = factsOf(entry);
  const event = eventOf(entry, facts.source);
  if (event === undefined) return undefined;
  const time = textOf(entry['time']) ?? '';
  const summary = SUMMARIES[event](facts);
  return { index, event, severity: SEVERITIES[event], time, summary, ...facts };
}

type Facts = Pick<Notification, 'alert' | 'rule' | 'source' | 'subject'>;

function factsOf(entry: Members): Facts {
  const [, source, rule] = QUERY.exec(textOf(entry['query']) ?? '') ?? [];
  const alert = textOf(entry['alert']);
  const subject = subjectOf(entry);
  return {
    ...(alert !== undefined && { alert }),
    ...(rule !== undefined && { rule: shortened(rule) }),
    ...(source !== undefined && { source: shortened(source) }),
    ...(subject !== undefined && { subject: shortened(subject) }),
  };
}

function subjectOf(entry: Members): string | undefined {
  const pod = entry['pod'];
  if (typeof pod === 'object' && pod !== null) {
    const { cluster, namespace, name } = pod as Members;
    const parts = [textOf(cluster), textOf(namespace), textOf(name)];
    if (parts.every((part) => part !== undefined)) return parts.join('/');
  }
  return textOf(entry['workload']);
}

function eventOf(entry: Members, source: string | undefined): NotificationEvent | undefined {
  switch (entry['action']) {
    case 'alert.receive':
      return eventOfAlert(textOf(entry['cause']) ?? '', source);
    case 'alert.respond':
      return 'answered';
    case 'incident.open':
      return 'incident';
    case 'quarantine.create':
      return entry['alert'] === undefined ? 'quarantine' : undefined;
    default:
      return undefined;
  }
}

function eventOfAlert(cause: string, source: string | undefined): NotificationEvent | undefined {
  if (cause === 'joined') return undefined;
  if (source === 'decoy') return 'decoy';
  if (BEYOND_LIMIT.includes(cause)) return 'limit';
  if (source === 'posture') return 'posture';
  if (WITHOUT_POD.includes(cause)) return 'unmatched';
  return CUT_OFF.includes(cause) ? 'cut-off' : undefined;
}

const about = ({ subject = 'an unknown pod' }: Facts): string => subject;
const from = ({ source = 'a sensor', rule = '' }: Facts): string => `${source}: ${rule}`;

const SUMMARIES: Readonly<Record<NotificationEvent, (facts: Facts) => string>> = {
  'cut-off': (facts) => `${about(facts)} was cut off (${from(facts)})`,
  limit: (facts) => `${about(facts)} needs a decision: beyond a limit (${from(facts)})`,
  decoy: (facts) => `${about(facts)} read a decoy (${facts.rule ?? ''})`,
  posture: (facts) => `${about(facts)} stopped meeting a posture profile (${facts.rule ?? ''})`,
  unmatched: (facts) => `an alert names no pod that the broker knows (${from(facts)})`,
  incident: (facts) => `an operator opened an incident about ${about(facts)}`,
  answered: (facts) => `the response about ${about(facts)} is complete (${from(facts)})`,
  quarantine: (facts) => `an operator put ${about(facts)} into quarantine`,
};

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

function shortened(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ').slice(0, LONGEST);
}
