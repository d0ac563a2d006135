import { useState } from 'preact/hooks';
import type { JSX } from 'preact';
import { Action } from '../action.tsx';
import { call, type Schema } from '../client.ts';
import { count, dayOf, duration } from '../format.ts';
import { useLoad } from '../load.ts';
import { PodId, SecretLink, StateFilter, WorkloadLink } from '../navigation.tsx';
import {
  Command,
  Empty,
  Facts,
  Loading,
  More,
  Name,
  Page,
  Section,
  State,
  Table,
  Time,
  type Tone,
} from '../parts.tsx';
import { address, to } from '../router.ts';
import { usePages } from './pages.ts';

type Listed = Schema<'ListedRotation'>;
type Rotation = Schema<'Rotation'>;
type Status = Schema<'RotationStatus'>;

const STATES = ['running', 'parked', 'undoing'] as const;
const STATE_TONES: Readonly<Record<Rotation['state'], Tone>> = {
  running: 'info',
  parked: 'bad',
  undoing: 'warn',
  done: 'good',
  aborted: 'off',
  rolled_back: 'warn',
};
const STEPS = ['create', 'set', 'test', 'canary', 'promote', 'settle', 'retire'] as const;

function RotationLink({ path }: { readonly path: string }): JSX.Element {
  return (
    <a href={to(`/rotations/${path}`)}>
      <bdi>{path}</bdi>
    </a>
  );
}

/** All rotating paths: what is in progress, what failed, and what comes. */
export function Rotations(): JSX.Element {
  const wanted = address.value.query.get('state') ?? '';
  const state = STATES.find((each) => each === wanted);
  const pages = usePages(
    `rotations ${wanted}`,
    (after) =>
      call('listRotations', {
        query: { limit: 1_000, ...(state !== undefined && { state }), ...after },
      }),
    ['rotation', 'document'],
    ({ path }) => path,
  );
  return (
    <Page title="Rotations">
      <StateFilter path="/rotations" states={STATES.map((each) => [each, each])} />
      <Loading of={pages.loaded}>
        {({ items, isWhole }) => (
          <>
            <RotationTable items={items} />
            <More isWhole={isWhole} load={pages.more} />
            {state === undefined && <Calendar items={items} />}
          </>
        )}
      </Loading>
      <Command words={['rotate', 'ls', ...(state === undefined ? [] : ['--state', state])]} />
    </Page>
  );
}

function RotationTable({ items }: { readonly items: readonly Listed[] }): JSX.Element {
  return (
    <Table
      label="Rotations"
      items={items}
      keyOf={({ path }) => path}
      empty="No path that you may see rotates, or none is in this state."
      columns={[
        { title: 'Path', of: ({ path }) => <RotationLink path={path} /> },
        {
          title: 'State',
          of: ({ active, failures }) =>
            active !== undefined ? (
              <State tone={STATE_TONES[active.state]}>
                {active.state} at {active.step}
              </State>
            ) : failures > 0 ? (
              <State tone="warn">{count(failures, 'failure')}</State>
            ) : (
              <State tone="good">in order</State>
            ),
        },
        { title: 'Rotated', of: ({ rotatedAt }) => <Time at={rotatedAt} /> },
        { title: 'Proven', of: ({ provenAt }) => <Time at={provenAt} /> },
        {
          title: 'Next run',
          of: ({ nextRunAt }) =>
            nextRunAt === undefined ? (
              <span class="quiet">not scheduled</span>
            ) : (
              <Time at={nextRunAt} />
            ),
        },
      ]}
    />
  );
}

/** The runs and drills that come, by day. */
function Calendar({ items }: { readonly items: readonly Listed[] }): JSX.Element {
  const coming = items
    .flatMap(({ path, nextRunAt, nextDrillAt }) => [
      ...(nextRunAt === undefined ? [] : [{ path, at: nextRunAt, kind: 'rotation' }]),
      ...(nextDrillAt === undefined ? [] : [{ path, at: nextDrillAt, kind: 'drill' }]),
    ])
    .sort((a, b) => a.at.localeCompare(b.at));
  const days = [...Map.groupBy(coming, ({ at }) => dayOf(Date.parse(at)))];
  return (
    <Section title="What comes">
      {days.length === 0 && <Empty>Nothing is scheduled.</Empty>}
      <dl class="days">
        {days.map(([day, runs]) => (
          <div key={day}>
            <dt>{day}</dt>
            {runs.map(({ path, at, kind }) => (
              <dd key={kind + path}>
                <Time at={at} /> {kind} of <RotationLink path={path} />
              </dd>
            ))}
          </div>
        ))}
      </dl>
    </Section>
  );
}

/** One path: where its rotation stands, its holders, its actions and its history. */
export function RotationPage({ path }: { readonly path: string }): JSX.Element {
  const status = useStatus(path);
  const history = useLoad(
    `rotation history ${path}`,
    () => call('readRotationHistory', { path: { path }, query: { limit: 50 } }),
    [`rotation:${path}`],
  );
  return (
    <Page
      title={`Rotation of ${path}`}
      heading={<Name>{path}</Name>}
      aside={status.is === 'loaded' ? <Actions status={status.data} /> : undefined}
    >
      <Loading of={status}>
        {(loaded) => (
          <>
            <Section title="Where it stands">
              <Standing status={loaded} />
            </Section>
            <Holders status={loaded} />
          </>
        )}
      </Loading>
      <Section title="History" note="The newest 50 rotations and drills.">
        <Loading of={history}>{({ items }) => <History items={items} />}</Loading>
        <Command words={['rotate', 'history', path]} />
      </Section>
      <p>
        Secret: <SecretLink path={path} />
      </p>
    </Page>
  );
}

function useStatus(path: string): ReturnType<typeof useLoad<Status>> {
  return useLoad(`rotation ${path}`, () => call('readRotation', { path: { path } }), [
    `rotation:${path}`,
    `secret:${path}`,
    `document:definition/${path}`,
    'lease',
  ]);
}

/** The section of a secret about its rotation. */
export function RotationOfSecret({ path }: { readonly path: string }): JSX.Element {
  const status = useStatus(path);
  return (
    <Section title="Rotation">
      {status.is === 'refused' && status.error.status === 404 ? (
        <Empty>No rotation is defined for this path.</Empty>
      ) : (
        <Loading of={status}>
          {(loaded) => (
            <>
              <Standing status={loaded} />
              <p>
                <a href={to(`/rotations/${path}`)}>Actions, holders and history</a>, by{' '}
                <a href={to(`/documents/definition/${path}`)}>the definition</a>
              </p>
            </>
          )}
        </Loading>
      )}
      <Command words={['rotate', 'status', path]} />
    </Section>
  );
}

function Standing({ status }: { readonly status: Status }): JSX.Element {
  const { strategy, connection, problem, failures, active, paused } = status;
  return (
    <>
      {active !== undefined && <Steps active={active} />}
      <Facts
        items={[
          [
            'State',
            problem !== undefined ? (
              <State tone="bad">cannot rotate: {problem}</State>
            ) : paused ? (
              <State tone="warn">paused</State>
            ) : failures > 0 ? (
              <State tone="warn">{count(failures, 'failure')}</State>
            ) : (
              <State tone="good">in order</State>
            ),
          ],
          ['Strategy', connection === undefined ? strategy : `${strategy} at ${connection}`],
          ['Rotated', <Time at={status.rotatedAt} />],
          ['Proven', <Time at={status.provenAt} />],
          [
            'Next run',
            status.nextRunAt === undefined ? (
              <span class="quiet">not scheduled</span>
            ) : (
              <Time at={status.nextRunAt} />
            ),
          ],
        ]}
      />
    </>
  );
}

/** The state machine: past steps, the present one, and those to come. */
function Steps({ active }: { readonly active: Rotation }): JSX.Element {
  const steps: readonly string[] =
    active.state === 'undoing' || active.step === 'discard' ? ['discard', 'end'] : STEPS;
  const at = steps.indexOf(active.step);
  return (
    <>
      <p>
        <State tone={STATE_TONES[active.state]}>
          {active.kind} {active.state}
        </State>{' '}
        {active.lastError !== undefined && <bdi>{active.lastError}</bdi>}
        {active.nextAttemptAt !== undefined && active.attempts > 0 && (
          <span class="quiet">
            {' '}
            attempt {active.attempts + 1} <Time at={active.nextAttemptAt} />
          </span>
        )}
        {active.canary !== undefined && (
          <span class="quiet">
            {' '}
            canary: {count(active.canary.pods.length, 'pod')} since{' '}
            <Time at={active.canary.since} />
          </span>
        )}
      </p>
      <ol class="steps" aria-label="Steps of the rotation">
        {steps.map((step, index) => (
          <li
            key={step}
            class={index < at ? 'past' : undefined}
            aria-current={index === at ? 'step' : undefined}
          >
            {step}
          </li>
        ))}
      </ol>
    </>
  );
}

/** Holders by version: they move from the old to the new one while the rotation settles. */
function Holders({
  status: { holders, holderCount, active },
}: {
  readonly status: Status;
}): JSX.Element {
  const newest = active?.version;
  const isNew = ({ versions }: Status['holders'][number]): boolean =>
    newest === undefined || versions.every((version) => version === newest);
  const moved = holders.filter(isNew).length;
  return (
    <Section
      title="Holders"
      note={
        holderCount > holders.length ? `The first ${holders.length} of ${holderCount}.` : undefined
      }
    >
      {newest !== undefined && holders.length > 0 && (
        <label class="meter">
          {moved} of {holders.length} use only version {newest}
          <progress max={holders.length} value={moved} />
        </label>
      )}
      <Table
        label="Holders of the rotation"
        items={holders}
        keyOf={({ workload, podUid }) => `${workload} ${podUid ?? ''}`}
        empty="No workload holds a version now."
        columns={[
          { title: 'Workload', of: ({ workload }) => <WorkloadLink workload={workload} /> },
          {
            title: 'Pod',
            of: ({ podUid }) => <PodId uid={podUid} />,
          },
          {
            title: 'Versions',
            of: (holder) => (
              <State tone={isNew(holder) ? 'good' : 'warn'}>
                <code>{holder.versions.join(', ')}</code>
              </State>
            ),
          },
          {
            title: 'Acknowledged',
            of: ({ acknowledged }) =>
              acknowledged === undefined ? (
                <span class="quiet">not yet</span>
              ) : (
                <State tone={acknowledged.outcome === 'ok' ? 'good' : 'bad'}>
                  {acknowledged.version} {acknowledged.outcome} {acknowledged.reason ?? ''}
                </State>
              ),
          },
        ]}
      />
    </Section>
  );
}

function Actions({
  status: { path, active, slots, holderCount },
}: {
  readonly status: Status;
}): JSX.Element {
  const [isIncident, setIncident] = useState(false);
  const target = { path };
  const bodyOf = (comment: string): object => (comment === '' ? {} : { comment });
  const words = (verb: string, comment: string): readonly string[] => [
    'rotate',
    verb,
    path,
    '--comment',
    comment,
  ];
  return (
    <div class="buttons">
      {active === undefined && (
        <>
          <Action
            label="Rotate now"
            operation="runRotation"
            extent={{ path }}
            isDangerous
            reason={isIncident ? 'required' : 'optional'}
            explanation={
              <p>
                {count(holderCount, 'holder')} get a new version.{' '}
                {isIncident
                  ? 'The old credential is revoked as soon as the new one is current, also from those that still use it.'
                  : 'The old credential works until they use the new one.'}
              </p>
            }
            fields={
              <label class="check">
                <input
                  type="checkbox"
                  checked={isIncident}
                  onChange={(event) => setIncident(event.currentTarget.checked)}
                />
                Incident: do not wait for holders
              </label>
            }
            command={(comment) => [...words('run', comment), ...(isIncident ? ['--incident'] : [])]}
            run={(comment, attempt) =>
              call('runRotation', {
                path: target,
                headers: { 'Idempotency-Key': attempt },
                body: { incident: isIncident, ...bodyOf(comment) },
              })
            }
          />
          <Action
            label="Drill"
            operation="drillRotation"
            extent={{ path }}
            reason="optional"
            explanation={
              <p>
                A credential is created, set and tested at the target, and then discarded. No holder
                gets it.
              </p>
            }
            command={(comment) => words('drill', comment)}
            run={(comment, attempt) =>
              call('drillRotation', {
                path: target,
                headers: { 'Idempotency-Key': attempt },
                body: bodyOf(comment),
              })
            }
          />
        </>
      )}
      {active?.state === 'parked' && (
        <Action
          label="Retry"
          operation="retryRotation"
          extent={{ path }}
          reason="optional"
          explanation={<p>The step {active.step} is tried again. Repair its cause first.</p>}
          command={(comment) => words('retry', comment)}
          run={(comment) => call('retryRotation', { path: target, body: bodyOf(comment) })}
        />
      )}
      {active !== undefined && active.promotedAt === undefined && (
        <Action
          label="Abort"
          operation="abortRotation"
          extent={{ path }}
          isDangerous
          reason="optional"
          explanation={<p>The new credential is revoked, and the old version stays current.</p>}
          command={(comment) => words('abort', comment)}
          run={(comment) => call('abortRotation', { path: target, body: bodyOf(comment) })}
        />
      )}
      {active?.promotedAt !== undefined && slots !== 'one' && (
        <Action
          label="Roll back"
          operation="rollBackRotation"
          extent={{ path }}
          isDangerous
          reason="optional"
          explanation={
            <p>
              The version {active.previousVersion ?? 'before'} becomes current again, and the new
              credential is revoked. {count(holderCount, 'holder')} get the old version.
            </p>
          }
          command={(comment) => words('rollback', comment)}
          run={(comment) => call('rollBackRotation', { path: target, body: bodyOf(comment) })}
        />
      )}
    </div>
  );
}

function History({ items }: { readonly items: readonly Rotation[] }): JSX.Element {
  const lasted = ({ createdAt, endedAt }: Rotation): string =>
    endedAt === undefined
      ? ''
      : duration(Math.round((Date.parse(endedAt) - Date.parse(createdAt)) / 1000));
  return (
    <Table
      label="History"
      items={items}
      keyOf={({ id }) => id}
      empty="The path has not rotated yet."
      columns={[
        { title: 'Begun', of: ({ createdAt }) => <Time at={createdAt} /> },
        { title: 'Kind', of: ({ kind, cause }) => `${kind}, ${cause}` },
        { title: 'State', of: ({ state }) => <State tone={STATE_TONES[state]}>{state}</State> },
        { title: 'Version', of: ({ version }) => <code>{version ?? ''}</code> },
        { title: 'By', of: ({ requestedBy }) => <Name>{requestedBy}</Name> },
        { title: 'Lasted', of: (rotation) => lasted(rotation) },
        {
          title: 'Remark',
          of: ({ lastError, comment }) => <bdi class="quiet">{lastError ?? comment ?? ''}</bdi>,
        },
      ]}
    />
  );
}
