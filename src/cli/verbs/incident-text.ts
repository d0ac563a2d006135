import type { components } from '../../client/index.ts';
import { printable } from '../output/printable.ts';
import { table } from '../output/table.ts';
import { counted } from '../kernel/count.ts';

export type Incident = components['schemas']['Incident'];
type Alert = components['schemas']['Alert'];
type Secret = components['schemas']['IncidentSecret'];
type Scope = Incident['scopes'][number];
type PodState = components['schemas']['PodState'];
type NeighbourPods = components['schemas']['NeighbourPods'];

/** Members of an entry of the audit log that a timeline shows. */
export interface Entry {
  readonly time?: string;
  readonly action?: string;
  readonly outcome?: string;
  readonly path?: string;
  readonly cause?: string;
  readonly comment?: string;
  readonly alert?: string;
  readonly quarantine?: string;
  /** Facts of an entry. Those of `alert.receive` are the source, the priority, and at the end the rule. */
  readonly query?: string;
  readonly count?: number;
  readonly actor?: { readonly id?: string };
  readonly pod?: { readonly namespace: string; readonly name: string; readonly uid: string };
}

export function scopeText({ kind, subject, pod }: Scope): string {
  return printable(`${kind} ${pod === undefined ? subject : `${podText(pod)} (${subject})`}`);
}

function podText({ namespace, name }: { namespace: string; name: string }): string {
  return `${namespace}/${name}`;
}

/** The subject of an alert in a few words. */
export function aboutText({
  about,
  pod,
  workload,
}: Pick<Alert, 'about' | 'pod' | 'workload'>): string {
  if (about === undefined) return pod === undefined ? (workload ?? '') : podText(pod);
  const { kind, name, scopes } = about;
  if (kind === 'image' || kind === 'node') return `${kind} ${name} (${counted(scopes, 'pod')})`;
  const one = kind === 'operator' ? `operator ${name}` : name;
  return scopes === 1 ? one : `${one} and ${scopes - 1} more`;
}

/** The subject of an incident in a few words. A dry run has only scopes. */
function subjectText({ alert, scopes }: Pick<Incident, 'alert' | 'scopes'>): string {
  if (alert !== undefined) return printable(aboutText(alert)) || 'no known pod';
  const [first] = scopes;
  if (first === undefined) return 'nothing';
  const name = first.pod === undefined ? first.subject : podText(first.pod);
  return printable(scopes.length === 1 ? name : `${name} and ${scopes.length - 1} more`);
}

/** The incident in one sentence: who was cut off how fast, what it held, and what is left to do. */
export function headline(incident: Incident): string {
  const { alert, secrets } = incident;
  const parts = [`${subjectText(incident)} ${cutOffText(incident)}`];
  const held = secrets.filter((secret) => secret.held).length;
  parts.push(`held ${counted(held, 'secret')}, ever read ${secrets.length}`);
  if (alert === undefined) parts.push(...planText(secrets));
  if (alert?.response.rotate === 'read' && BEGUN.includes(alert.state))
    parts.push(progressText(secrets));
  if (!incident.isComplete) parts.push('the log was not read completely');
  return parts.join('; ');
}

const BEGUN: readonly Alert['state'][] = ['responding', 'contained', 'done'];

function cutOffText(incident: Incident): string {
  const { alert } = incident;
  if (alert === undefined) return 'would be cut off (dry run)';
  const why = uncutText(alert);
  if (why !== undefined) return why;
  const { source, operator, time } = alert;
  const at = cutOffAt(incident);
  const lifted = liftOf(incident) === undefined ? '' : ', and lifted since';
  if (time === undefined)
    return `cut off at ${clockText(new Date(at).toISOString())} by ${printable(operator ?? source)}${lifted}`;
  return `cut off ${Math.max(0, at - Date.parse(time))} ms after ${printable(source)} saw it${lifted}`;
}

/** The entry that lifted the last quarantine of the response. */
function liftOf({ alert, timeline }: Incident): Entry | undefined {
  const { quarantines = [] } = alert ?? {};
  const lifts = timeline
    .map(({ entry }): Entry => entry)
    .filter(
      ({ action, quarantine = '' }) =>
        action === 'quarantine.lift' && quarantines.includes(quarantine),
    );
  const lifted = new Set(lifts.map(({ quarantine }) => quarantine));
  return quarantines.length > 0 && lifted.size === quarantines.length ? lifts.at(-1) : undefined;
}

/** Words for a subject that is not cut off; undefined if it is. */
function uncutText(alert: Alert): string | undefined {
  const { id, state, held, unmatched, response } = alert;
  if (state === 'pending')
    return `is suspended, not cut off: it keeps what it has and gets nothing new, because ${printable(alert.source)} reached its limit; decide with quaymaster alert approve ${id} or alert dismiss ${id}`;
  const why = (): string | undefined => {
    if (state === 'dismissed') return 'the alert was dismissed';
    if (state === 'unmatched') return unmatched ?? 'no running pod is meant';
    if (state === 'kept' && held !== undefined) return WORDS[held] ?? held;
    return response.action === 'audit' ? 'no response rule acts on the alert' : undefined;
  };
  const text = why();
  return text && `is not cut off: ${text}`;
}

/** The time of the quarantine; for a response without one, that of the receipt. */
function cutOffAt({ alert, timeline }: Incident): number {
  const entries = timeline.map(({ entry }): Entry => entry);
  const made = entries.find(({ action }) => action === 'quarantine.create');
  return Date.parse(made?.time ?? alert?.receivedAt ?? '');
}

const WORDS: Readonly<Record<string, string>> = {
  no_room:
    'the source reached its limit, and no more scopes can be suspended; open an incident for it',
  protected: 'the configuration protects it',
};

/** The rotations that the incident of a dry run would start, and what it would leave for people. */
function planText(secrets: readonly Secret[]): readonly string[] {
  const rotating = secrets.filter(({ state }) => state === 'waiting').length;
  const left = secrets.filter(needsPerson).length;
  return [
    ...(rotating > 0 ? [`the incident rotates ${rotating}`] : []),
    ...(left > 0 ? [`${left} ${left === 1 ? 'needs' : 'need'} you: no rotator`] : []),
  ];
}

function progressText(secrets: readonly Secret[]): string {
  const count = (...states: readonly Secret['state'][]): number =>
    secrets.filter(({ state }) => states.includes(state)).length;
  const parts = [`${count('rotated', 'revoked')} rotated`];
  const running = count('running', 'waiting');
  if (running > 0) parts.push(`${running} in progress`);
  const left = secrets.filter(needsPerson);
  if (left.length === 0) return parts.join(', ');
  const why = [...new Set(left.map(whyText))].join('; ');
  return `${parts.join(', ')}, ${left.length} ${left.length === 1 ? 'needs' : 'need'} you: ${why}`;
}

export function needsPerson({ state }: Pick<Secret, 'state'>): boolean {
  return state === 'by_hand' || state === 'blocked';
}

function whyText({ state, why = 'blocked' }: Secret): string {
  if (state === 'by_hand') return 'no rotator';
  return why === 'braked' ? 'limit of rotations' : printable(why);
}

/** The state of a secret in words. */
export function stateText(secret: Secret): string {
  const { state, rotation } = secret;
  switch (state) {
    case 'by_hand':
      return 'by hand: no rotator';
    case 'blocked':
      return `blocked: ${whyText(secret)}`;
    case 'kept':
      return 'not rotated';
    case 'running':
      return `running ${rotation?.id ?? ''}`.trimEnd();
    case 'waiting':
    case 'revoked':
    case 'rotated':
      return state;
  }
}

export function holdersText({ holders: { total, updated } }: Secret): string {
  return total === 0 ? 'none' : `${updated} of ${total} have the new value`;
}

export function othersText({ otherReaders, otherPods }: Secret): string {
  const pods = otherPods === 0 ? [] : [`${counted(otherPods, 'more pod')} of the workload`];
  return [...otherReaders, ...pods].join(', ');
}

export function incidentText(incident: Incident): string {
  const { alert, scopes, hidden, unread, gaps, timeline } = incident;
  const lines = [headline(incident)];
  if (alert !== undefined) lines.push('', alertText(incident, alert));
  lines.push(`scope: ${scopes.map(scopeText).join(', ')}`);
  lines.push('', secretsText(incident), ...brakeLines(incident));
  if (hidden > 0)
    lines.push(
      `${counted(hidden, 'more secret')} read only before the time of --since: the response covers them too; see them with --all`,
    );
  lines.push(...unread.map(unreadText), ...contextLines(incident));
  if (timeline.length > 0) lines.push('', 'timeline (UTC):', timelineText(incident));
  lines.push(...gaps.map(gapText));
  return lines.join('\n');
}

/** Members of a part of the log that was not read, in one line. */
export function unreadText(part: Incident['unread'][number]): string {
  const { first, end, isArchived, command, objects } = part;
  const what = `entries ${first} to ${end - 1} were not read, and may name more secrets`;
  if (!isArchived) return `${what}: ${printable(command)}`;
  const where = objects.length === 0 ? '' : ` in ${objects.map(printable).join(', ')}`;
  return `${what}: they are archived${where}. The broker reads them by itself once it can read their place: ${printable(command)}`;
}

export function gapText({ kind, first, end }: Incident['gaps'][number]): string {
  if (kind === 'archived')
    return `gap: entries ${first} to ${(end ?? first) - 1} are archived and not in this timeline`;
  const what = kind === 'reads' ? 'reads' : 'entries';
  return `gap: more ${what} before entry ${first}; quaymaster audit search shows them`;
}

/** The pod then and now, and who else runs with it. */
function contextLines(incident: Incident): readonly string[] {
  const { neighbours } = incident;
  const lines = podStates(incident).map(([when, text]) => `pod ${when}: ${text}`);
  if (neighbours !== undefined) {
    const { image, node, account, isComplete } = neighbours;
    const lists = [
      ['same image', image],
      ['same node', node],
      ['same service account', account],
    ] as const;
    for (const [what, list] of lists) lines.push(`${what}: ${neighboursText(list)}`);
    if (!isComplete) lines.push('too many pods have sessions: not all of them were compared');
  }
  return lines.length === 0 ? [] : ['', ...lines];
}

/** The state of the pod then and now; nothing for an incident that is not about one pod. */
export function podStates({
  alert,
  scopes,
  posture = {},
}: Incident): readonly (readonly ['then' | 'now', string])[] {
  const isAboutPod = alert?.pod !== undefined || (scopes.length === 1 && scopes[0]?.kind === 'pod');
  if (!isAboutPod) return [];
  const then = posture.then === undefined ? 'not recorded' : postureText(posture.then);
  const now = posture.now === undefined ? 'gone, and not known any more' : postureText(posture.now);
  return alert === undefined
    ? [['now', now]]
    : [
        ['then', then],
        ['now', now],
      ];
}

function postureText({ state, images, omitted = 0, ephemeral, violations }: PodState): string {
  const parts = [
    state,
    ...images.map(({ container, image, digest = '' }) =>
      image.endsWith(`@${digest}`)
        ? `${container} ${image}`
        : `${container} ${image} ${digest}`.trimEnd(),
    ),
  ];
  if (omitted > 0) parts.push(counted(omitted, 'more container'));
  if (ephemeral.length > 0) parts.push(`debug containers: ${ephemeral.join(', ')}`);
  for (const { profile, codes } of violations) parts.push(`fails ${profile}: ${codes.join(', ')}`);
  if (violations.length === 0) parts.push('no enforced profile refuses it');
  return printable(parts.join('; '));
}

export function neighboursText({ count, pods }: NeighbourPods): string {
  if (count === 0) return 'no other pod with a session';
  const names = pods.map(podText).join(', ');
  return printable(count > pods.length ? `${names} and ${count - pods.length} more` : names);
}

function secretsText({ alert, secrets }: Incident): string {
  const header = ['holds now', 'ever read', 'state', 'healthy holders', 'versions', 'last read'];
  if (secrets.length === 0) return 'holds and read no secret';
  return table(
    [...header, 'entry', 'other readers'],
    secrets.map((secret) => [
      secret.held ? secret.path : '',
      secret.path,
      alert === undefined && secret.state === 'waiting' ? 'would be rotated' : stateText(secret),
      holdersText(secret),
      secret.versions.join(' '),
      secret.lastAt,
      secret.lastIndex,
      othersText(secret),
    ]),
  );
}

/** The way out of the limit of rotations, which an incident that a person opens does not have. */
function brakeLines({ alert, scopes: [scope], secrets }: Incident): readonly string[] {
  const braked = secrets.filter(({ why }) => why === 'braked').length;
  if (braked === 0 || scope === undefined || alert === undefined) return [];
  const { kind, subject } = scope;
  const uid = subject.slice(subject.indexOf('/') + 1);
  const of = kind === 'pod' ? `--cluster ${alert.cluster} --pod ${uid}` : `--${kind} ${subject}`;
  const now = printable(`quaymaster incident open ${of} --reason WHY`);
  return [
    `limit of rotations: the response rotates ${counted(braked, 'more secret')} later; to rotate without this limit: ${now}`,
  ];
}

function alertText(incident: Incident, alert: Alert): string {
  const { id, source, rule, state, receivedAt, response, quarantines, ended, time } = alert;
  const { count, lastAt = receivedAt, rules = [] } = alert;
  const own = time === undefined ? '' : `, its own time ${time}`;
  const lines = [`${id}: rule "${printable(rule)}" from ${source}${own}, received ${receivedAt}`];
  if (count > 1) {
    const others = rules.length === 0 ? '' : `; also ${rules.map(printable).join(', ')}`;
    lines.push(`alerts: ${count}, the last ${lastAt}${others}`);
  }
  lines.push(`state: ${state}, response: ${response.action}`);
  if (quarantines.length > 0)
    lines.push(`quarantine: ${quarantines.join(' ')}; ${liftText(liftOf(incident))}`);
  if (ended !== undefined) {
    const leases = ended.revoked + ended.revoking;
    lines.push(`ended: ${counted(ended.sessions, 'session')}, ${counted(leases, 'lease')}`);
  }
  return lines.join('\n');
}

function liftText(lift: Entry | undefined): string {
  if (lift === undefined) return 'lift with: quaymaster quarantine lift ID --reason WHY';
  const { time = '', actor, comment = '' } = lift;
  return printable(`lifted ${clockText(time)} by ${actor?.id ?? ''}: ${comment}`);
}

/** A time with milliseconds; tables leave them out of instants. */
function clockText(time: string): string {
  return time.replace('T', ' ').replace('Z', '');
}

export interface TimelineRow {
  readonly index: number | undefined;
  readonly time: string;
  readonly what: string;
  readonly by: string;
  readonly subject: string;
  readonly detail: string;
}

function entryRow(index: number, entry: Entry): TimelineRow {
  const { time = '', action = '', outcome = '', actor } = entry;
  return {
    index,
    time: clockText(time),
    what: outcome === 'ok' ? action : `${action} ${outcome}`,
    by: actor?.id ?? '',
    subject: entry.path ?? namedPod(entry),
    detail: detailText(entry),
  };
}

/** The source writes its rule into the entry of an alert as the last member of `query`. */
const RULE = /(?:^| )rule=(.*)$/s;

function detailText({ action, comment, cause, count, query = '' }: Entry): string {
  const rule = RULE.exec(query)?.[1];
  if (action !== 'alert.receive' || rule === undefined) return comment ?? cause ?? '';
  if (cause === 'joined') return `rule "${rule}": ${counted(count ?? 1, 'more alert')} joined`;
  return cause === 'audit' ? `rule "${rule}": only recorded` : `rule "${rule}"`;
}

function namedPod({ pod }: Entry): string {
  if (pod === undefined) return '';
  return pod.name === '' ? pod.uid : podText(pod);
}

/** The rows of a timeline. The first is the event itself, by the clock of its source. */
export function timelineRows({ alert, timeline }: Incident): readonly TimelineRow[] {
  const rows = timeline.map(({ index, entry }) => entryRow(index, entry));
  if (alert?.time === undefined) return rows;
  const event: TimelineRow = {
    index: undefined,
    time: clockText(alert.time),
    what: 'the event itself',
    by: alert.source,
    subject: alert.pod === undefined ? '' : podText(alert.pod),
    detail: `rule "${alert.rule}", by the clock of the source`,
  };
  const at = rows.findIndex(({ time }) => time > event.time);
  return at === -1 ? [...rows, event] : rows.toSpliced(at, 0, event);
}

/** Formats the timeline. Each entry has an index, for `quaymaster audit proof`. */
function timelineText(incident: Incident): string {
  return table(
    ['time', 'entry', 'what', 'by', 'subject', 'detail'],
    timelineRows(incident).map(({ time, index, what, by, subject, detail }) => [
      time,
      index,
      what,
      by,
      subject,
      detail,
    ]),
  );
}
