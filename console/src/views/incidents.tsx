import type { JSX } from 'preact';
import { Action } from '../action.tsx';
import { call, type Schema } from '../client.ts';
import { count } from '../format.ts';
import { useLoad } from '../load.ts';
import { SecretLink, StateFilter, WorkloadLink } from '../navigation.tsx';
import {
  Command,
  Empty,
  Facts,
  Lines,
  List,
  Loading,
  Name,
  Page,
  Section,
  State,
  Table,
  Time,
  type Tone,
} from '../parts.tsx';
import { address, to } from '../router.ts';
import { ExportEvidence } from './evidence.tsx';
import { Exposure } from './exposure.tsx';
import { usePages } from './pages.ts';
import { QuarantineTable } from './quarantines.tsx';

type Alert = Schema<'Alert'>;
type AlertState = Alert['state'];
type IncidentSecret = Schema<'IncidentSecret'>;

const STATES: Readonly<Record<AlertState, readonly [Tone, string]>> = {
  pending: ['bad', 'waits for you'],
  responding: ['warn', 'cutting off'],
  contained: ['warn', 'contained, rotating'],
  done: ['good', 'done'],
  dismissed: ['off', 'dismissed'],
  unmatched: ['off', 'no pod matched'],
  kept: ['off', 'recorded only'],
};

function AlertStateMark({ state }: { readonly state: AlertState }): JSX.Element {
  const [tone, word] = wordOf(STATES, state);
  return <State tone={tone}>{word}</State>;
}

/** The shape and word of a state. A broker that is newer than the page may have states that the page does not know. */
function wordOf<Key extends string>(
  words: Readonly<Partial<Record<Key, readonly [Tone, string]>>>,
  state: Key,
): readonly [Tone, string] {
  return words[state] ?? ['warn', state];
}

function subjectOf({ about, pod, workload, node, cluster }: Alert): string {
  if (about !== undefined) return about.name;
  if (pod !== undefined) return `${pod.namespace}/${pod.name}`;
  return workload ?? node ?? cluster;
}

/** The inbox of alerts, or one of them. */
export function Incidents({ rest }: { readonly rest: string }): JSX.Element {
  return rest === '' ? <Inbox /> : <IncidentPage id={rest} />;
}

/** The inbox of alerts, and incidents that a person opened. */
function Inbox(): JSX.Element {
  const state = address.value.query.get('state') ?? '';
  const known = Object.keys(STATES) as AlertState[];
  const chosen = known.find((each) => each === state);
  const pages = usePages(
    `alerts ${state}`,
    (after) =>
      call('listAlerts', {
        query: { limit: 200, ...(chosen !== undefined && { state: chosen }), ...after },
      }),
    ['alert', 'beat'],
    ({ id }) => id,
  );
  return (
    <Page title="Incidents">
      <StateFilter path="/incidents" states={known.map((each) => [each, STATES[each][1]])} />
      <List
        {...pages}
        label="Alerts and incidents"
        keyOf={({ id }) => id}
        empty={state === '' ? 'The broker received no alert.' : 'No alert is in this state.'}
        columns={[
          { title: 'Received', of: ({ receivedAt }) => <Time at={receivedAt} /> },
          { title: 'State', of: (alert) => <AlertStateMark state={alert.state} /> },
          {
            title: 'Rule',
            of: ({ id, rule }) => (
              <a href={to(`/incidents/${id}`)}>
                <bdi>{rule}</bdi>
              </a>
            ),
          },
          { title: 'Subject', of: (alert) => <Name>{subjectOf(alert)}</Name> },
          { title: 'Priority', of: ({ priority }) => priority },
          { title: 'Source', of: ({ source }) => <bdi>{source}</bdi> },
          { title: 'Count', isNumber: true, of: (alert) => alert.count },
        ]}
      />
      <Command words={['alert', 'ls']} />
    </Page>
  );
}

/** One alert or incident: what was read, what is still valid, and what happened, in the order in which a responder asks. */
function IncidentPage({ id }: { readonly id: string }): JSX.Element {
  const incident = useLoad(
    `incident ${id}`,
    () => call('readIncident', { path: { id }, query: { limit: 200 } }),
    [`alert:${id}`, 'rotation', 'quarantine'],
  );
  const alert = incident.is === 'loaded' ? incident.data.alert : undefined;
  return (
    <Page
      title={alert?.rule ?? id}
      heading={<bdi>{alert?.rule ?? id}</bdi>}
      aside={
        alert?.state === 'pending' ? <Decision id={id} subject={subjectOf(alert)} /> : undefined
      }
    >
      <Loading of={incident}>
        {(loaded) => (
          <>
            {loaded.alert !== undefined && <AlertFacts alert={loaded.alert} />}
            <Standing scopes={loaded.scopes} />
            <Section
              title="What it read"
              note={
                loaded.hidden > 0
                  ? `${count(loaded.hidden, 'older read')} not listed; the response covers them.`
                  : undefined
              }
            >
              {!loaded.isComplete && (
                <p>
                  <State tone="warn">incomplete</State> Parts of the log are not read yet; there may
                  be more secrets.
                </p>
              )}
              <Exposure subject={podOf(loaded)} secrets={loaded.secrets} />
              <Secrets items={loaded.secrets} />
            </Section>
            <Section
              title="Timeline"
              note="The entries of the response, and the reads of the hour before it."
            >
              <Timeline items={loaded.timeline} />
            </Section>
          </>
        )}
      </Loading>
      {incident.is === 'loaded' && <ExportEvidence id={id} incident={incident.data} />}
      <Command words={['incident', 'show', id]} />
      <Command words={['incident', 'report', id, '--html', `${id}.html`]} />
    </Page>
  );
}

/** The quarantines of the incident that stand. Lifting the last of them closes it. */
function Standing({ scopes }: Pick<Schema<'Incident'>, 'scopes'>): JSX.Element | null {
  const quarantines = useLoad('quarantines', () => call('listQuarantines'), ['quarantine']);
  const all = quarantines.is === 'loaded' ? quarantines.data.items : [];
  const own = all.filter((each) =>
    scopes.some(({ kind, subject }) => kind === each.kind && subject === each.subject),
  );
  if (own.length === 0) return null;
  return (
    <Section title="Quarantine" note="The incident is closed when it is lifted.">
      <QuarantineTable items={own} />
    </Section>
  );
}

/** The pod or the other subject of an incident. */
function podOf({ alert, scopes }: Schema<'Incident'>): string {
  const [scope] = scopes;
  if (scope?.pod !== undefined) return `${scope.pod.namespace}/${scope.pod.name}`;
  return alert === undefined ? (scope?.subject ?? '') : subjectOf(alert);
}

function Decision({ id, subject }: { readonly id: string; readonly subject: string }): JSX.Element {
  return (
    <div class="buttons">
      <Action
        label="Respond"
        operation="approveAlert"
        isDangerous
        reason="optional"
        explanation={
          <p>
            The response begins now: <Name>{subject}</Name> is cut off, and what it read is rotated
            as the rule says.
          </p>
        }
        command={(reason) => ['alert', 'approve', id, '--reason', reason]}
        run={(reason) =>
          call('approveAlert', { path: { id }, body: reason === '' ? {} : { reason } })
        }
      />
      <Action
        label="Dismiss"
        operation="dismissAlert"
        reason="optional"
        explanation={
          <p>
            The alert ends without a response. <Name>{subject}</Name> gets new secrets again.
          </p>
        }
        command={(reason) => ['alert', 'dismiss', id, '--reason', reason]}
        run={(reason) =>
          call('dismissAlert', { path: { id }, body: reason === '' ? {} : { reason } })
        }
      />
    </div>
  );
}

const HELD: Readonly<Record<NonNullable<Alert['held']>, string>> = {
  protected: 'the configuration protects the workload',
  over_limit: 'the source reached its limit',
  no_room: 'the source reached its limit, and there is no room for another suspension',
  incomplete: 'the log could not be read to its beginning',
};

function AlertFacts({ alert }: { readonly alert: Alert }): JSX.Element {
  const { about, response, responseRule, held } = alert;
  const workload = about?.kind === 'workload' ? about.name : alert.workload;
  return (
    <Facts
      items={[
        ['State', <AlertStateMark state={alert.state} />],
        ['Subject', <Name>{subjectOf(alert)}</Name>],
        [
          'Workload',
          workload === undefined ? (
            <span class="quiet">unknown</span>
          ) : (
            <WorkloadLink workload={workload} />
          ),
        ],
        ['Cluster', <bdi>{alert.cluster}</bdi>],
        ['Received', <Time at={alert.receivedAt} />],
        [
          'Source',
          <>
            <bdi>{alert.source}</bdi> <span class="quiet">priority {alert.priority}</span>
          </>,
        ],
        [
          'Response',
          <>
            {response.action} of the {response.scope}
            {responseRule !== undefined && <span class="quiet"> by rule {responseRule.name}</span>}
          </>,
        ],
        ...(held === undefined
          ? []
          : [['Held back', <State tone="warn">{HELD[held]}</State>] as const]),
      ]}
    />
  );
}

const SECRET_STATES: Readonly<Record<IncidentSecret['state'], readonly [Tone, string]>> = {
  rotated: ['good', 'rotated'],
  revoked: ['good', 'revoked'],
  running: ['info', 'rotating'],
  waiting: ['warn', 'waits for its turn'],
  blocked: ['bad', 'blocked'],
  by_hand: ['bad', 'rotate by hand'],
  kept: ['warn', 'not rotated'],
};

/** States in which a person should start the rotation. */
const UNDONE: readonly IncidentSecret['state'][] = ['blocked', 'kept'];

function SecretState({ state }: Pick<IncidentSecret, 'state'>): JSX.Element {
  const [tone, word] = wordOf(SECRET_STATES, state);
  return <State tone={tone}>{word}</State>;
}

function Secrets({ items }: { readonly items: readonly IncidentSecret[] }): JSX.Element {
  return (
    <Table
      label="Secrets that were read"
      items={items}
      keyOf={({ path }) => path}
      empty="It read no secret in this time."
      columns={[
        {
          title: 'Secret',
          of: (secret) => <SecretLink path={secret.path} />,
        },
        {
          title: 'What is valid',
          of: ({ path, state, why }) => (
            <span>
              <SecretState state={state} /> {why !== undefined && <span class="quiet">{why} </span>}
              {UNDONE.includes(state) && <a href={to(`/rotations/${path}`)}>Rotate</a>}
            </span>
          ),
        },
        { title: 'Versions', of: ({ versions }) => <code>{versions.join(', ')}</code> },
        { title: 'Last read', of: ({ lastAt }) => <Time at={lastAt} /> },
        { title: 'Holders updated', of: ({ holders }) => `${holders.updated} of ${holders.total}` },
        {
          title: 'Other readers',
          of: ({ otherReaders, otherPods }) => (
            <OtherReaders readers={otherReaders} pods={otherPods} />
          ),
        },
      ]}
    />
  );
}

/** The other readers by name, as the graph shows them. */
function OtherReaders({
  readers,
  pods,
}: {
  readonly readers: readonly string[];
  readonly pods: number;
}): JSX.Element {
  if (readers.length === 0 && pods === 0) return <span class="quiet">none</span>;
  if (readers.length === 0) return <>{count(pods, 'other pod')}</>;
  return (
    <details open={readers.length <= FEW}>
      <summary>
        {[
          count(readers.length, 'other reader'),
          ...(pods > 0 ? [count(pods, 'other pod')] : []),
        ].join(', ')}
      </summary>
      <Lines items={readers} />
    </details>
  );
}

/** So many other readers are shown without a click. */
const FEW = 3;

interface EntryFacts {
  readonly time?: string;
  readonly at?: string;
  readonly action?: string;
  readonly outcome?: string;
  readonly path?: string;
  readonly code?: string;
}

function Timeline({ items }: { readonly items: readonly Schema<'AuditEntry'>[] }): JSX.Element {
  if (items.length === 0) return <Empty>Nothing is recorded yet.</Empty>;
  return (
    <ol class="timeline">
      {items.map(({ index, entry }) => {
        const { time, at, action = '', outcome, path, code } = entry as EntryFacts;
        return (
          <li key={index}>
            <Time at={time ?? at} /> <b>{action}</b>{' '}
            {path !== undefined && <SecretLink path={path} />}{' '}
            {outcome !== undefined && outcome !== 'ok' && (
              <State tone="warn">{code ?? outcome}</State>
            )}{' '}
            <span class="quiet">entry {index}</span>
          </li>
        );
      })}
    </ol>
  );
}
