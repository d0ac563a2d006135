import { useState } from 'preact/hooks';
import type { ComponentChildren, JSX } from 'preact';
import { sinkFindings } from '../../../src/cli/reports/broker-findings.ts';
import { Action } from '../action.tsx';
import { useAttempt } from '../attempt.ts';
import { call, type Schema } from '../client.ts';
import { count, unmasked } from '../format.ts';
import { kindOf, type Stored } from '../kinds.ts';
import { useLoad, type Loaded } from '../load.ts';
import { DocumentLink } from '../navigation.tsx';
import {
  Command,
  Empty,
  Facts,
  Lines,
  List,
  Loading,
  Name,
  Page,
  Problem,
  Section,
  State,
  Table,
  Time,
  type Tone,
} from '../parts.tsx';
import { Permitted } from '../rights.tsx';
import { useDocuments } from './pages.ts';
import { Starts } from './starts.tsx';

const MOUNT = kindOf('mount');
const CLUSTER = kindOf('cluster');

/** The broker itself: what it depends on, its keys, copies and log. */
export function System(): JSX.Element {
  return (
    <Page title="System">
      <Brokers />
      <Starts />
      <Mounts />
      <Clusters />
      <AlertSources />
      <Keys />
      <Backups />
      <Archive />
      <Configuration />
    </Page>
  );
}

function Brokers(): JSX.Element {
  const readiness = useLoad('readiness', () => call('readReadiness'), ['beat']);
  const status = useLoad('status', () => call('readStatus'), ['beat']);
  return (
    <Section title="Broker" note="The one that answers; each broker has its own state.">
      <Loading of={readiness}>
        {({ ready, reasons, warnings = [] }) => (
          <ul class="plain" aria-label="State">
            <li>
              <State tone={ready ? 'good' : 'bad'}>{ready ? 'ready' : 'not ready'}</State>
            </li>
            {[
              ...reasons.map((code) => ['bad', code] as const),
              ...warnings.map((code) => ['warn', code] as const),
            ].map(([tone, code]) => (
              <li key={code}>
                <State tone={tone}>
                  <code>{code}</code>
                </State>
              </li>
            ))}
          </ul>
        )}
      </Loading>
      <Loading of={status}>
        {({ time, clockAheadSeconds, certificates = [], log, liveLeases }) => (
          <>
            <Facts
              items={[
                ['Time', <Time at={time} />],
                [
                  'Ahead of its clock',
                  clockAheadSeconds > 0 ? <State tone="warn">{clockAheadSeconds} s</State> : 'no',
                ],
                ['Live leases', liveLeases.toLocaleString('en')],
                ['Audit log', count(log.entries, 'entry', 'entries')],
                ['Damaged entries', number(log.damagedEntries)],
                ['Broken chains', number(log.brokenChains)],
                ['Log checked', <Time at={log.checkedAt} />],
                ['Without a witness', `${Math.round(log.unwitnessedSeconds)} s`],
              ]}
            />
            <Receivers time={time} log={log} />
            <Table
              label="Certificates"
              items={certificates}
              keyOf={({ setting }) => setting}
              empty="The configuration names no certificate."
              columns={[
                { title: 'Certificate', of: ({ setting }) => <Name>{setting}</Name> },
                {
                  title: 'State',
                  of: ({ state }) => <State tone={CERTIFICATE_TONES[state]}>{state}</State>,
                },
                { title: 'Expires', of: ({ expiresAt }) => <Time at={expiresAt} /> },
              ]}
            />
          </>
        )}
      </Loading>
      <Command words={['status']} />
    </Section>
  );
}

const CERTIFICATE_TONES = { valid: 'good', expiring: 'warn', expired: 'bad' } as const;

function number(bad: number): JSX.Element {
  return bad === 0 ? <State tone="good">none</State> : <State tone="bad">{bad}</State>;
}

interface Receiver {
  readonly name: string;
  readonly tone: Tone;
  readonly state: string;
  readonly lag: ComponentChildren;
}

/** Sinks and witnesses of the log. */
function Receivers({ time, log }: Pick<Schema<'BrokerStatus'>, 'time' | 'log'>): JSX.Element {
  const late = sinkFindings({ time, log }).map(({ about }) => about);
  const sinks = log.sinks.map(({ failing, stopped, lag, behindSince }, index): Receiver => ({
    name: `sink ${index}`,
    ...(stopped
      ? { tone: 'bad', state: 'stopped' }
      : failing
        ? { tone: 'bad', state: 'fails' }
        : late.includes(`sink ${index}`)
          ? { tone: 'bad', state: 'is behind' }
          : { tone: 'good', state: 'delivers' }),
    lag:
      lag === undefined ? (
        'another broker delivers'
      ) : (
        <>
          {count(lag, 'entry', 'entries')}
          {behindSince !== undefined && (
            <>
              , since <Time at={behindSince} />
            </>
          )}
        </>
      ),
  }));
  const witnesses = log.witnesses.map(({ name, failing, contradicts }): Receiver => ({
    name: `witness ${name}`,
    ...(contradicts
      ? { tone: 'bad', state: 'contradicts the log' }
      : failing
        ? { tone: 'warn', state: 'fails' }
        : { tone: 'good', state: 'cosigns' }),
    lag: '',
  }));
  return (
    <Table
      label="Receivers of the log"
      items={[...sinks, ...witnesses]}
      keyOf={({ name }) => name}
      empty="The log has no sink and no witness."
      columns={[
        { title: 'Receiver', of: ({ name }) => <Name>{name}</Name> },
        { title: 'State', of: ({ tone, state }) => <State tone={tone}>{state}</State> },
        { title: 'Behind', of: ({ lag }) => lag },
      ]}
    />
  );
}

function Mounts(): JSX.Element {
  const mounts = useDocuments(MOUNT);
  return (
    <Section title="Mounts">
      <List
        {...mounts}
        label="Mounts"
        keyOf={({ name }) => name}
        empty="There is no mount."
        columns={[
          {
            title: 'Mount',
            of: ({ name }) => <DocumentLink kind="mount" name={name} />,
          },
          { title: 'Prefix', of: (each) => <Name>{textOf(each, 'prefix')}</Name> },
          { title: 'Connection', of: (each) => <Name>{textOf(each, 'connection')}</Name> },
          { title: 'Check', of: ({ name }) => <Check key={name} name={name} /> },
        ]}
      />
      <Command words={['mount', 'check', 'NAME']} />
    </Section>
  );
}

/** A text or flag of a document. */
function textOf({ document }: Stored, member: string): string {
  const value = (document as Readonly<Record<string, unknown>>)[member];
  return typeof value === 'string' ? value : value === undefined ? '' : JSON.stringify(value);
}

/** Asks the backend of a mount whether it allows what the mount needs. */
function Check({ name }: { readonly name: string }): JSX.Element {
  const [found, setFound] = useState<Schema<'CheckReport'>>();
  const { error, isRunning, attempt } = useAttempt();
  const check = async (): Promise<void> => setFound(await call('checkMount', { path: { name } }));
  return (
    <div role="status">
      <Permitted
        operation="checkMount"
        isSmall
        isDisabled={isRunning}
        onClick={() => void attempt(check)}
      >
        {isRunning ? 'Checking…' : `Check ${name}`}
      </Permitted>
      {error !== undefined && <Problem error={error} />}
      {found !== undefined && (
        <>
          {' '}
          <State tone={found.healthy ? 'good' : 'bad'}>
            {found.healthy ? 'healthy' : 'not healthy'}
          </State>
          <Lines items={found.findings} />
        </>
      )}
    </div>
  );
}

/** The state of the watch of pods, by the broker that answers. */
function WatchState({
  of: cluster,
  down,
}: {
  readonly of: Stored;
  readonly down: Schema<'BrokerStatus'>['watchesDown'];
}): JSX.Element {
  if (textOf(cluster, 'podWatch') === 'false') return <State tone="off">off</State>;
  if (down === undefined) return <State tone="off">unknown</State>;
  const own = down.filter((each) => each.cluster === cluster.name);
  if (own.length === 0) return <State tone="good">live</State>;
  return (
    <ul class="plain">
      {own.map(({ connection, resource, status }) => (
        <li key={`${connection} ${resource}`}>
          <State tone={status === 'stale' ? 'bad' : 'warn'}>
            {resource} {status}
          </State>{' '}
          <bdi class="quiet">{connection}</bdi>
        </li>
      ))}
    </ul>
  );
}

function Clusters(): JSX.Element {
  const clusters = useDocuments(CLUSTER);
  const status = useLoad('status', () => call('readStatus'), ['beat']);
  const down = status.is === 'loaded' ? status.data.watchesDown : undefined;
  return (
    <Section title="Clusters">
      <List
        {...clusters}
        label="Clusters"
        keyOf={({ name }) => name}
        empty="No cluster is registered."
        columns={[
          {
            title: 'Cluster',
            of: ({ name }) => <DocumentLink kind="cluster" name={name} />,
          },
          { title: 'Issuer', of: (each) => <Name>{textOf(each, 'issuer')}</Name> },
          { title: 'Kind', of: (each) => textOf(each, 'type') || 'kubernetes' },
          {
            title: 'Watches',
            of: (each) => <WatchState of={each} down={down} />,
          },
        ]}
      />
      <Command words={['cluster', 'ls']} />
    </Section>
  );
}

function AlertSources(): JSX.Element {
  const sources = useLoad('alert sources', () => call('listAlertSources'), ['alert', 'beat']);
  return (
    <Section title="Alert sources" note="A source that sends nothing for long may be broken.">
      <List
        loaded={sources}
        label="Alert sources"
        keyOf={({ name }) => name}
        empty="The configuration has no source of runtime alerts."
        columns={[
          { title: 'Source', of: ({ name }) => <Name>{name}</Name> },
          { title: 'Clusters', of: ({ clusters }) => <bdi>{clusters.join(', ')}</bdi> },
          { title: 'Last alert', of: ({ lastAlertAt }) => <Time at={lastAlertAt} /> },
        ]}
      />
      <Command words={['alert', 'sources']} />
    </Section>
  );
}

/** Shows data of a part that the configuration may leave out, which is no failure. */
function IfConfigured<T>({
  of,
  children,
}: {
  readonly of: Loaded<T>;
  readonly children: (data: T) => ComponentChildren;
}): JSX.Element {
  return of.is === 'refused' && of.error.code === 'ERR_CONFLICT' ? (
    <Empty>{of.error.message}</Empty>
  ) : (
    <Loading of={of}>{children}</Loading>
  );
}

const KEY_TONES = {
  active: 'good',
  pending: 'info',
  replacing: 'info',
  retired: 'off',
  compromised: 'bad',
  log: 'good',
} as const;

function Keys(): JSX.Element {
  const keys = useLoad('keys', () => call('readKeys'), ['keys']);
  return (
    <Section title="Keys">
      <Loading of={keys}>
        {({ keys: roots, keks, rotating }) => (
          <>
            {rotating && (
              <p role="status">
                <State tone="info">The root key is being replaced</State>
              </p>
            )}
            <Table
              label="Root keys"
              items={roots}
              keyOf={({ id }) => id}
              empty="The store has no root key."
              columns={[
                { title: 'Root key', of: ({ id }) => <code>{id}</code> },
                {
                  title: 'State',
                  of: ({ state }) => <State tone={KEY_TONES[state]}>{state}</State>,
                },
                { title: 'Created', of: ({ createdAt }) => <Time at={createdAt} /> },
                { title: 'Versions', isNumber: true, of: ({ versions }) => versions },
                { title: 'Opened by', of: (each) => <bdi>{each.keks.join(', ')}</bdi> },
              ]}
            />
            <Table
              label="Key-encryption keys"
              items={keks}
              keyOf={({ id }) => id}
              empty="No key-encryption key."
              columns={[
                { title: 'Key-encryption key', of: ({ id }) => <code>{id}</code> },
                {
                  title: 'State',
                  of: ({ configured }) =>
                    configured ? (
                      <State tone="good">configured</State>
                    ) : (
                      <State tone="warn">not configured</State>
                    ),
                },
              ]}
            />
          </>
        )}
      </Loading>
      <Command words={['keys', 'status']} />
    </Section>
  );
}

function Backups(): JSX.Element {
  const backups = useLoad('backups', () => call('listBackups'), []);
  return (
    <Section title="Backups">
      <IfConfigured of={backups}>
        {({ items, run }) => (
          <>
            {run?.state === 'failed' && (
              <p>
                <State tone="bad">The last backup failed</State> <bdi>{run.error}</bdi>
              </p>
            )}
            <Table
              label="Backups"
              items={items}
              keyOf={({ name }) => name}
              empty="There is no backup yet."
              columns={[
                { title: 'Backup', of: ({ name }) => <Name>{name}</Name> },
                { title: 'Made', of: ({ createdAt }) => <Time at={createdAt} /> },
                { title: 'Bytes', isNumber: true, of: ({ bytes }) => bytes.toLocaleString('en') },
                { title: 'Entries', isNumber: true, of: ({ entries }) => entries },
              ]}
            />
            <Action
              label="Back up now"
              operation="createBackup"
              explanation={
                <p>
                  The broker writes an encrypted copy of its store, and serves requests meanwhile.
                </p>
              }
              command={() => ['backup', 'create']}
              run={() => call('createBackup')}
            />
          </>
        )}
      </IfConfigured>
      <Command words={['backup', 'ls']} />
    </Section>
  );
}

function Archive(): JSX.Element {
  const archive = useLoad('archive', () => call('readArchive'), []);
  return (
    <Section title="Archive of the audit log">
      <Loading of={archive}>
        {({ place, keepDays, truncation, run }) => (
          <Facts
            items={[
              ['Place', place === undefined ? 'none configured' : <Name>{place}</Name>],
              ['Kept in the store', keepDays === undefined ? 'all' : count(keepDays, 'day')],
              ['Archived up to', truncation === undefined ? 'nothing' : `entry ${truncation.end}`],
              ['Last run', run === undefined ? 'never' : run.state],
              ...(run?.error === undefined ? [] : [['Failure', <bdi>{run.error}</bdi>] as const]),
            ]}
          />
        )}
      </Loading>
      <Command words={['audit', 'archive-status']} />
    </Section>
  );
}

function Configuration(): JSX.Element {
  const configuration = useLoad('configuration', () => call('readConfiguration'), []);
  return (
    <Section title="Configuration" note="Brokers with the same settings have the same digest.">
      <IfConfigured of={configuration}>
        {({ generation, digest, loadedAt, failure, settings = {} }) => (
          <>
            {failure !== undefined && (
              <p>
                <State tone="bad">The last reload failed</State> <Time at={failure.at} />:{' '}
                <bdi>{failure.detail}</bdi>
              </p>
            )}
            <Facts
              items={[
                ['Generation', generation],
                ['Loaded', <Time at={loadedAt} />],
                ['Digest', <code>{digest}</code>],
              ]}
            />
            <details>
              <summary>All settings, with their defaults</summary>
              <pre class="document" tabIndex={0}>
                {unmasked(JSON.stringify(settings, undefined, 2))}
              </pre>
            </details>
            <Action
              label="Reload"
              operation="reloadConfiguration"
              explanation={<p>The broker reads its configuration file again and uses it.</p>}
              command={() => ['reload']}
              run={() => call('reloadConfiguration')}
            />
          </>
        )}
      </IfConfigured>
      <Command words={['config', 'show']} />
    </Section>
  );
}
