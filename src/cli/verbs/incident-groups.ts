import type { components } from '../../client/index.ts';
import { aboutText } from './incident-text.ts';

type Alert = components['schemas']['Alert'];

/** All responses about one pod, workload, image, node or operator. */
export interface IncidentGroup {
  /** The newest response. */
  readonly id: string;
  readonly ids: readonly string[];
  readonly first: string;
  /** Time of the last alert, also of one that joined a response. */
  readonly last: string;
  /** Number of alerts. */
  readonly count: number;
  /** Sources, and operators that opened incidents. */
  readonly by: readonly string[];
  /** Rules of the alerts, and reasons of the operators. */
  readonly why: readonly string[];
  readonly subject: string;
  readonly action: string;
  /** Each state, with its number if there are several. */
  readonly states: readonly string[];
}

/** Groups responses, newest first, by their subject. One shell in a pod may cause many alerts. */
export function incidentGroups(alerts: readonly Alert[]): readonly IncidentGroup[] {
  const groups = new Map<string, Alert[]>();
  for (const alert of alerts) {
    const key = keyOf(alert);
    groups.set(key, [...(groups.get(key) ?? []), alert]);
  }
  return [...groups.values()].map(groupOf);
}

function keyOf({ id, cluster, pod, about }: Alert): string {
  if (about === undefined) return pod === undefined ? id : `${cluster}/${pod.uid}`;
  const { kind, name } = about;
  return `${kind} ${cluster}/${kind === 'pod' ? (pod?.uid ?? name) : name}`;
}

function groupOf(alerts: readonly Alert[]): IncidentGroup {
  const [newest, oldest] = [alerts[0], alerts.at(-1)] as readonly [Alert, Alert];
  const { id, response } = newest;
  const states = new Map<string, number>();
  for (const { state } of alerts) states.set(state, (states.get(state) ?? 0) + 1);
  return {
    id,
    ids: alerts.map((each) => each.id),
    first: oldest.receivedAt,
    last: alerts.reduce((last, { receivedAt, lastAt = receivedAt }) => later(last, lastAt), ''),
    count: alerts.reduce((sum, { count }) => sum + count, 0),
    by: unique(alerts.map(({ operator, source }) => operator ?? source)),
    why: unique(alerts.flatMap(({ reason, rule, rules = [] }) => [reason ?? rule, ...rules])),
    subject: aboutText(newest),
    action: response.action,
    states: [...states].map(([state, count]) => (states.size === 1 ? state : `${count} ${state}`)),
  };
}

function later(a: string, b: string): string {
  return a > b ? a : b;
}

function unique(texts: readonly string[]): readonly string[] {
  return [...new Set(texts)];
}
