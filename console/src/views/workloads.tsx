import { useState } from 'preact/hooks';
import type { JSX } from 'preact';
import { Action } from '../action.tsx';
import { useAttempt } from '../attempt.ts';
import { call, type Schema } from '../client.ts';
import { Explain } from '../explain.tsx';
import { count, workloadName } from '../format.ts';
import { useLoad } from '../load.ts';
import {
  currentFilter,
  DocumentLink,
  Filter,
  PodId,
  SecretLink,
  WorkloadLink,
} from '../navigation.tsx';
import {
  Command,
  Lines,
  List,
  Loading,
  More,
  Name,
  Page,
  Problem,
  Section,
  State,
  Table,
  Time,
} from '../parts.tsx';
import { Permitted } from '../rights.tsx';
import { to } from '../router.ts';
import { OpenIncident } from './open-incident.tsx';
import { usePages } from './pages.ts';
import { QuarantineTable } from './quarantines.tsx';

type Session = Schema<'ListedSession'>;

interface Row {
  readonly workload: string;
  readonly sessions: number;
  readonly pods: number;
  readonly latest: string;
}

/** Sessions by workload; the newest login first. */
function rowsOf(sessions: readonly Session[]): readonly Row[] {
  const groups = Map.groupBy(sessions, ({ workload }) => workload);
  return [...groups]
    .map(([workload, all]): Row => {
      const pods = new Set(all.flatMap(({ pod }) => (pod === undefined ? [] : [pod.uid])));
      const [latest = ''] = all
        .map(({ createdAt }) => createdAt)
        .sort()
        .reverse();
      return { workload, sessions: all.length, pods: pods.size, latest };
    })
    .sort((a, b) => b.latest.localeCompare(a.latest));
}

/** The workloads that are logged in, or one of them. */
export function Workloads({ rest }: { readonly rest: string }): JSX.Element {
  return rest === '' ? <WorkloadList /> : <WorkloadPage path={rest} />;
}

function WorkloadList(): JSX.Element {
  const filter = currentFilter();
  const pages = usePages(
    'sessions',
    (after) => call('listSessions', { query: { limit: 1_000, ...after } }),
    ['session', 'beat'],
    ({ id }) => id,
  );
  const quarantines = useLoad('quarantines', () => call('listQuarantines'), ['quarantine']);
  const cut = quarantines.is === 'loaded' ? quarantines.data.items : [];
  return (
    <Page title="Workloads">
      <Filter path="/workloads" placeholder="cluster, namespace or account" />
      <Loading of={pages.loaded}>
        {({ items, isWhole }) => (
          <>
            <Table
              label="Workloads"
              items={rowsOf(items).filter(({ workload }) => workload.includes(filter))}
              keyOf={({ workload }) => workload}
              empty="No workload is logged in."
              columns={[
                {
                  title: 'Workload',
                  of: ({ workload }) => <WorkloadLink workload={workload} />,
                },
                {
                  title: 'State',
                  of: ({ workload }) =>
                    cut.some(({ subject }) => subject === workload) ? (
                      <State tone="bad">quarantined</State>
                    ) : (
                      <State tone="good">logged in</State>
                    ),
                },
                { title: 'Sessions', isNumber: true, of: ({ sessions }) => sessions },
                { title: 'Pods', isNumber: true, of: ({ pods }) => pods },
                { title: 'Last login', of: ({ latest }) => <Time at={latest} /> },
              ]}
            />
            <More isWhole={isWhole} load={pages.more} />
          </>
        )}
      </Loading>
      <Quarantines />
      <Command words={['session', 'ls']} />
    </Page>
  );
}

function Quarantines(): JSX.Element {
  const quarantines = useLoad('quarantines', () => call('listQuarantines'), ['quarantine']);
  return (
    <Section title="Quarantines">
      <Loading of={quarantines}>{({ items }) => <QuarantineTable items={items} />}</Loading>
      <Command words={['quarantine', 'ls']} />
    </Section>
  );
}

/** Pods of one workload whose posture is checked at once. */
const MOST_PODS = 20;

/** What the posture profiles find at the pods that hold sessions, on request: the broker records each question. */
function Posture({
  workload,
  sessions,
}: {
  readonly workload: string;
  readonly sessions: readonly Session[];
}): JSX.Element {
  const [found, setFound] = useState<readonly Schema<'ExplainedPosture'>[]>();
  const { error, isRunning, attempt } = useAttempt();
  const [, , cluster = '', namespace = ''] = workload.split('/');
  const pods = [...new Set(sessions.flatMap(({ pod }) => (pod === undefined ? [] : [pod.name])))];
  const check = async (): Promise<void> => {
    const answers = await Promise.all(
      pods
        .slice(0, MOST_PODS)
        .map((pod) => call('explainPosture', { body: { cluster, namespace, pod } })),
    );
    setFound(answers.flatMap(({ items }) => items));
  };
  return (
    <Section
      title="Posture"
      note={
        pods.length > MOST_PODS
          ? `Of the first ${MOST_PODS} of ${pods.length} pods.`
          : 'What each profile finds at its pods.'
      }
    >
      <Permitted
        operation="explainPosture"
        isDisabled={isRunning || pods.length === 0}
        onClick={() => void attempt(check)}
      >
        {isRunning ? 'Reading…' : `Check ${count(Math.min(pods.length, MOST_PODS), 'pod')}`}
      </Permitted>
      {error !== undefined && <Problem error={error} />}
      {found !== undefined && (
        <Table
          label="Posture"
          items={found.flatMap(({ pod, profiles }) => profiles.map((each) => ({ pod, ...each })))}
          keyOf={({ pod, name }) => `${pod} ${name}`}
          empty="No posture profile is for its pods."
          columns={[
            { title: 'Pod', of: ({ pod }) => <Name>{pod}</Name> },
            {
              title: 'Profile',
              of: ({ name }) => <DocumentLink kind="posture-profile" name={name} />,
            },
            { title: 'Mode', of: ({ mode }) => mode },
            {
              title: 'State',
              of: ({ met, mode }) => (
                <State tone={met ? 'good' : mode === 'enforce' ? 'bad' : 'warn'}>
                  {met ? 'met' : 'not met'}
                </State>
              ),
            },
            {
              title: 'Findings',
              of: ({ findings }) => (
                <Lines
                  items={findings.map(
                    ({ status, code, message }) => `${status} ${code}: ${message}`,
                  )}
                />
              ),
            },
          ]}
        />
      )}
      <Command
        words={[
          ...['posture', 'explain', '--cluster', cluster, '--namespace', namespace],
          ...['--pod', pods[0] ?? 'POD'],
        ]}
      />
    </Section>
  );
}

/** One workload: its sessions, what it holds, may read and read, its posture, what refuses it; and the actions that cut it off. */
function WorkloadPage({ path }: { readonly path: string }): JSX.Element {
  const workload = workloadName(path);
  const sessions = useLoad(
    `sessions ${workload}`,
    () => call('listSessions', { query: { workload, limit: 1_000 } }),
    ['session', 'beat'],
  );
  const leases = useLoad(
    `leases of ${workload}`,
    () => call('listLeases', { query: { workload, state: 'live', limit: 1_000 } }),
    ['lease', 'session', 'beat'],
  );
  const quarantines = useLoad('quarantines', () => call('listQuarantines'), ['quarantine']);
  const open = sessions.is === 'loaded' ? sessions.data.items : [];
  const live = leases.is === 'loaded' ? leases.data.items.length : 0;
  const own =
    quarantines.is === 'loaded'
      ? quarantines.data.items.filter(({ subject }) => subject === workload)
      : [];
  return (
    <Page
      title={workload}
      heading={<Name>{workload}</Name>}
      aside={
        <div class="buttons">
          <OpenIncident workload={workload} />
          <Action
            label="End sessions"
            operation="endSessions"
            isDangerous
            reason="optional"
            explanation={
              <p>
                {count(open.length, 'session')} of <Name>{workload}</Name> and their{' '}
                {count(live, 'lease')} end now. Its pods can log in again.
              </p>
            }
            command={(comment) => ['session', 'end', '--workload', workload, '--comment', comment]}
            run={(comment) =>
              call('endSessions', {
                body: { by: 'workload', workload, ...(comment !== '' && { comment }) },
              })
            }
          />
          <Action
            label="Quarantine"
            operation="createQuarantine"
            isDangerous
            reason="required"
            explanation={
              <p>
                Every request of <Name>{workload}</Name> is refused from now on.{' '}
                {count(open.length, 'session')} and {count(live, 'lease')} end. It lasts until
                somebody lifts it.
              </p>
            }
            command={(reason) => ['quarantine', 'add', '--workload', workload, '--reason', reason]}
            run={(reason) =>
              call('createQuarantine', { body: { kind: 'workload', workload, reason } })
            }
          />
        </div>
      }
    >
      {own.length > 0 && (
        <Section title="Quarantine">
          <QuarantineTable items={own} />
        </Section>
      )}
      <Section title="What it holds">
        <List
          loaded={leases}
          label="Leases"
          keyOf={({ id }) => id}
          empty="It holds no secret now."
          columns={[
            {
              title: 'Path',
              of: (lease) => <SecretLink path={lease.path} />,
            },
            { title: 'Version', of: ({ version }) => <code>{version}</code> },
            { title: 'Kind', of: ({ kind }) => kind },
            {
              title: 'Pod',
              of: ({ podUid }) => <PodId uid={podUid} />,
            },
            { title: 'Since', of: ({ issuedAt }) => <Time at={issuedAt} /> },
            { title: 'Until', of: ({ endsAt }) => <Time at={endsAt} /> },
          ]}
        />
        <Command words={['lease', 'ls', '--workload', workload]} />
      </Section>
      <Section title="Sessions">
        <List
          loaded={sessions}
          label="Sessions"
          keyOf={({ id }) => id}
          empty="It is not logged in."
          columns={[
            { title: 'Session', of: ({ id }) => <code>{id}</code> },
            {
              title: 'Pod',
              of: ({ pod }) =>
                pod === undefined ? <span class="quiet">none</span> : <Name>{pod.name}</Name>,
            },
            { title: 'From', of: ({ source }) => <code>{source}</code> },
            {
              title: 'Bound',
              of: ({ keyThumbprint }) =>
                keyThumbprint === undefined ? (
                  <State tone="off">bearer</State>
                ) : (
                  <State tone="good">to its key</State>
                ),
            },
            { title: 'Since', of: ({ createdAt }) => <Time at={createdAt} /> },
            { title: 'Until', of: ({ endsAt }) => <Time at={endsAt} /> },
          ]}
        />
        <Command words={['session', 'ls', '--workload', workload]} />
      </Section>
      <Section title="What it may do" note="The broker answers as it would decide.">
        <Explain workload={workload} />
      </Section>
      <Section title="What it read" note="In the audit log, which needs the role auditor.">
        <p>
          <a href={to('/audit', { workload, action: 'secret.read' })}>Reads of the workload</a>
        </p>
        <Command words={['audit', 'search', '--workload', workload, '--action', 'secret.read']} />
      </Section>
      {workload.startsWith('k8s://') && <Posture workload={workload} sessions={open} />}
    </Page>
  );
}
