import type { ComponentChildren, JSX } from 'preact';
import {
  certificateFindings,
  sinkFindings,
  type TimedFinding,
} from '../../../src/cli/reports/broker-findings.ts';
import { call, type Refusal } from '../client.ts';
import { count } from '../format.ts';
import { useLoad, type Loaded } from '../load.ts';
import { Subject } from '../navigation.tsx';
import { Empty, Facts, Page, Section, State, Time, type Tone } from '../parts.tsx';
import { to } from '../router.ts';
import { Activity } from './activity.tsx';

/** One thing that a person should decide or repair. */
interface Task {
  readonly tone: Tone;
  readonly word: string;
  readonly text: ComponentChildren;
  readonly since?: string | undefined;
  readonly key: string;
}

const PAGE = 100;

/** What needs a person now, and the state of the broker. */
export function Home(): JSX.Element {
  const readiness = useLoad('readiness', () => call('readReadiness'), ['beat']);
  const status = useLoad('status', () => call('readStatus'), ['beat']);
  const alerts = useLoad(
    'alerts pending',
    () => call('listAlerts', { query: { state: 'pending', limit: PAGE } }),
    ['alert'],
  );
  const approvals = useLoad('approvals', () => call('listApprovals'), ['approval', 'token']);
  const parked = useLoad(
    'rotations parked',
    () => call('listRotations', { query: { state: 'parked', limit: PAGE } }),
    ['rotation'],
  );
  const overdue = useLoad(
    'rotations overdue',
    () => call('listRotations', { query: { overdue: true, limit: PAGE } }),
    ['rotation', 'beat'],
  );
  const quarantines = useLoad('quarantines', () => call('listQuarantines'), ['quarantine']);
  const all = [readiness, status, alerts, approvals, parked, overdue, quarantines];
  const tasks: Task[] = [
    ...dataOf(readiness).flatMap(({ reasons, warnings = [] }) => [
      ...reasons.map((code): Task =>
        task('bad', 'not ready', <code>{code}</code>, `reason ${code}`),
      ),
      ...warnings.map((code): Task =>
        task('warn', 'warning', <code>{code}</code>, `warning ${code}`),
      ),
    ]),
    ...dataOf(status).flatMap((each) => [
      ...logTasks(each.log),
      ...[...sinkFindings(each), ...certificateFindings(each.certificates ?? [])].map(findingTask),
    ]),
    ...itemsOf(alerts).map((alert): Task => ({
      tone: 'bad',
      word: 'alert waits',
      text: (
        <a href={to(`/incidents/${alert.id}`)}>
          <bdi>{alert.rule}</bdi>: <bdi>{alert.pod?.name ?? alert.workload ?? alert.cluster}</bdi>
        </a>
      ),
      since: alert.receivedAt,
      key: alert.id,
    })),
    ...itemsOf(approvals)
      .filter(({ state }) => state === 'pending')
      .map(({ id, requester, createdAt }): Task => ({
        tone: 'info',
        word: 'approval',
        text: (
          <a href={to(`/approvals/${id}`)}>
            Request of <bdi>{requester}</bdi>
          </a>
        ),
        since: createdAt,
        key: id,
      })),
    ...itemsOf(parked).map(({ path, active }): Task => ({
      tone: 'bad',
      word: 'rotation parked',
      text: <a href={to(`/rotations/${path}`)}>{path}</a>,
      since: active?.createdAt,
      key: `parked ${path}`,
    })),
    ...itemsOf(overdue).map(({ path, nextRunAt }): Task => ({
      tone: 'warn',
      word: 'rotation overdue',
      text: <a href={to(`/rotations/${path}`)}>{path}</a>,
      since: nextRunAt,
      key: `overdue ${path}`,
    })),
    ...itemsOf(quarantines).map((each): Task => ({
      tone: 'warn',
      word: 'quarantine',
      text: (
        <>
          <Subject of={each} />: <bdi>{each.reason}</bdi>
        </>
      ),
      since: each.createdAt,
      key: each.id,
    })),
  ];
  const isLoading = all.some(({ is }) => is === 'loading');
  return (
    <Page title="Home">
      <Section title="Needs a person">
        {tasks.length > 0 && (
          <ul class="tasks">
            {tasks.map(({ tone, word, text, since, key }) => (
              <li key={key}>
                <State tone={tone}>{word}</State>
                <span class="what">{text}</span>
                {since !== undefined && (
                  <span class="quiet">
                    <Time at={since} />
                  </span>
                )}
              </li>
            ))}
          </ul>
        )}
        {isLoading && (
          <p class="quiet loading" role="status">
            Loading…
          </p>
        )}
        {tasks.length === 0 && !isLoading && (
          <Calm isWhole={all.every(({ is }) => is === 'loaded')} />
        )}
        <Hidden
          lists={[
            ['alerts', alerts],
            ['rotations', parked],
            ['quarantines', quarantines],
            ['approvals', approvals],
          ]}
        />
      </Section>
      {status.is === 'loaded' && status.data.activity !== undefined && (
        <Activity of={status.data.activity} />
      )}
      {status.is === 'loaded' && (
        <Section title="Broker">
          <Facts
            items={[
              ['State', readinessText(readiness)],
              ['Live leases', status.data.liveLeases.toLocaleString('en')],
              ['Audit log', count(status.data.log.entries, 'entry', 'entries')],
              ['Log checked', <Time at={status.data.log.checkedAt} />],
              ['Sinks', sinksText(status.data.log.sinks)],
              ['Newest backup', <Time at={status.data.lastBackupAt} />],
            ]}
          />
        </Section>
      )}
    </Page>
  );
}

function task(tone: Tone, word: string, text: ComponentChildren, key: string): Task {
  return { tone, word, text, key };
}

type Log = Awaited<ReturnType<typeof call<'readStatus'>>>['log'];

/** A finding that `doctor` reports too. */
function findingTask({ about, state, text, at }: TimedFinding): Task {
  const what = (
    <>
      <a href={to('/system')}>{about}</a> {text}
    </>
  );
  const isBad = state === 'problem';
  return { ...task(isBad ? 'bad' : 'warn', state, what, about), since: at };
}

function logTasks({ brokenChains, damagedEntries, witnesses }: Log): readonly Task[] {
  const contradicting = witnesses.filter(({ contradicts }) => contradicts);
  return [
    ...(brokenChains > 0
      ? [task('bad', 'audit log', `${count(brokenChains, 'chain')} broken`, 'chains')]
      : []),
    ...(damagedEntries > 0
      ? [
          task(
            'bad',
            'audit log',
            `${count(damagedEntries, 'entry', 'entries')} damaged`,
            'damaged',
          ),
        ]
      : []),
    ...contradicting.map(({ name }) =>
      task('bad', 'witness', `${name} contradicts the log`, `witness ${name}`),
    ),
  ];
}

/** Silence is not green: the page says so only if it saw everything. */
function Calm({ isWhole }: { readonly isWhole: boolean }): JSX.Element {
  return isWhole ? (
    <Empty>
      <State tone="good">Nothing waits for a person.</State>
    </Empty>
  ) : (
    <Empty>Nothing that you may see waits for a person.</Empty>
  );
}

function Hidden({
  lists,
}: {
  readonly lists: readonly (readonly [string, Loaded<unknown>])[];
}): JSX.Element | null {
  const hidden = lists.flatMap(([name, loaded]) =>
    loaded.is === 'refused' ? [[name, loaded.error] as const] : [],
  );
  if (hidden.length === 0) return null;
  return (
    <details class="quiet">
      <summary>Not shown: {hidden.map(([name]) => name).join(', ')}</summary>
      <dl class="facts">
        {hidden.map(([name, error]: readonly [string, Refusal]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{error.message}</dd>
          </div>
        ))}
      </dl>
    </details>
  );
}

function readinessText(
  loaded: Loaded<{ readonly ready: boolean; readonly warnings?: readonly string[] }>,
): JSX.Element {
  if (loaded.is !== 'loaded') return <State tone="off">unknown</State>;
  if (!loaded.data.ready) return <State tone="bad">not ready</State>;
  return (loaded.data.warnings ?? []).length > 0 ? (
    <State tone="warn">ready, with warnings</State>
  ) : (
    <State tone="good">ready</State>
  );
}

function sinksText(sinks: Log['sinks']): ComponentChildren {
  if (sinks.length === 0) return <span class="quiet">none configured</span>;
  const lag = Math.max(0, ...sinks.map((sink) => sink.lag ?? 0));
  return `${sinks.length}, at most ${count(lag, 'entry', 'entries')} behind`;
}

function dataOf<T>(loaded: Loaded<T>): readonly T[] {
  return loaded.is === 'loaded' ? [loaded.data] : [];
}

function itemsOf<T>(loaded: Loaded<{ readonly items: readonly T[] }>): readonly T[] {
  return loaded.is === 'loaded' ? loaded.data.items : [];
}
