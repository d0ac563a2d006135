import { signal } from '@preact/signals';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { JSX } from 'preact';
import {
  assessStandards,
  type AssessedControl,
  type ComplianceReport,
} from '../../../src/cli/reports/compliance/assess-standards.ts';
import type { CheckState } from '../../../src/cli/reports/compliance/check-result.ts';
import { csvOf, htmlOf } from '../../../src/cli/reports/compliance/forms.ts';
import {
  STANDARD_NAMES,
  STANDARDS,
  type StandardName,
} from '../../../src/cli/reports/compliance/standards.ts';
import { useAttempt } from '../attempt.ts';
import { call } from '../client.ts';
import { brokerNow } from '../clock.ts';
import { saveFile } from '../download.ts';
import { Choice } from '../fields.tsx';
import { count, unmasked } from '../format.ts';
import { Command, Lines, Page, Problem, Section, State, Table, type Tone } from '../parts.tsx';
import { DAY_MS } from '../period.ts';
import { verdictOf, type Verdict } from '../proof.ts';
import { reportSource } from '../report-source.ts';
import { address, go, to } from '../router.ts';
import { onSignOut } from '../session.ts';

const PATH = '/audit/compliance';
const PERIODS = [
  ['30', 'the last 30 days'],
  ['90', 'the last 90 days'],
  ['365', 'the last year'],
] as const;
const STATES = {
  pass: ['good', 'pass'],
  fail: ['bad', 'fail'],
  'not-assessed': ['warn', 'not assessed'],
  'not-applicable': ['off', 'not applicable'],
} as const satisfies Readonly<Record<CheckState, readonly [Tone, string]>>;

/** The last report, so that a person who opened an entry comes back to it. */
const last = signal<{ readonly key: string; readonly report: ComplianceReport }>();
onSignOut(() => {
  last.value = undefined;
});

/** The controls of standards, each with what was seen: the report of the command line, made with the rights of the person. */
export function Compliance(): JSX.Element {
  const { query } = address.value;
  const standard = STANDARD_NAMES.find((name) => name === query.get('standard'));
  const days = PERIODS.find(([value]) => value === query.get('days'))?.[0] ?? '90';
  const choose = (chosen: Readonly<Record<string, string>>): void =>
    go(to(PATH, { ...Object.fromEntries(query), ...chosen }));
  const key = `${standard ?? ''} ${days}`;
  const only = standard === undefined ? [] : ['--standard', standard];
  const words = ['audit', 'compliance', ...only, '--since', `${days}d`, '--as', 'html'];
  return (
    <Page title="Compliance report" aside={<a href={to('/audit')}>Audit log</a>}>
      <search class="filters">
        <Choice
          label="Standard"
          value={standard ?? ''}
          options={[
            ['', 'all standards'],
            ...STANDARD_NAMES.map((name) => [name, STANDARDS[name].title] as const),
          ]}
          onChange={(chosen) => choose({ standard: chosen })}
        />
        <Choice
          label="Period"
          value={days}
          options={PERIODS}
          onChange={(chosen) => choose({ days: chosen })}
        />
      </search>
      <Assessment
        key={key}
        id={key}
        names={standard === undefined ? STANDARD_NAMES : [standard]}
        days={days}
        words={words}
      />
    </Page>
  );
}

/** Makes the report when the person asks for it: it reads whole lists and the log of the period, and the broker records that. */
function Assessment({
  id,
  names,
  days,
  words,
}: {
  readonly id: string;
  readonly names: readonly StandardName[];
  readonly days: string;
  readonly words: readonly string[];
}): JSX.Element {
  const [progress, setProgress] = useState('begins');
  const { error, isRunning, attempt } = useAttempt();
  const stop = useRef(new AbortController());
  useEffect(() => () => stop.current.abort(), []);
  const run = async (): Promise<void> => {
    const ended = new AbortController();
    stop.current = ended;
    const now = brokerNow();
    const from = new Date(now - Number(days) * DAY_MS).toISOString();
    const source = reportSource(ended.signal, setProgress);
    const question = { source, url: location.origin, from, since: `${days}d`, now };
    try {
      last.value = { key: id, report: await assessStandards(question, names) };
    } catch (thrown) {
      if (!ended.signal.aborted) throw thrown;
    }
  };
  const report = last.value?.key === id ? last.value.report : undefined;
  return (
    <>
      <div class="stack" role="status">
        <div class="buttons">
          <button
            type="button"
            class={report === undefined ? 'primary' : undefined}
            disabled={isRunning}
            onClick={() => void attempt(run)}
          >
            {report === undefined ? 'Assess the controls' : 'Assess again'}
          </button>
          {isRunning && (
            <button type="button" onClick={() => stop.current.abort()}>
              Stop
            </button>
          )}
          {!isRunning && report !== undefined && <Files report={report} />}
        </div>
        {isRunning ? (
          <p class="quiet">Reading: {progress}</p>
        ) : (
          <p class="quiet">
            The report has your rights: what you may not see is not assessed. It needs the roles
            auditor, without a scope, and admin. The audit log records what it reads.
          </p>
        )}
        {error !== undefined && <Problem error={error} />}
      </div>
      <Command words={words} />
      {!isRunning && report !== undefined && <Report report={report} />}
    </>
  );
}

/** Saves the report in the forms that the command line writes. */
function Files({ report }: { readonly report: ComplianceReport }): JSX.Element {
  const forms = [
    ['HTML', 'html', 'text/html', htmlOf],
    ['CSV', 'csv', 'text/csv', csvOf],
    ['JSON', 'json', 'application/json', (all: object) => `${JSON.stringify(all, undefined, 2)}\n`],
  ] as const;
  return (
    <>
      {forms.map(([label, ending, type, textOf]) => (
        <button
          key={ending}
          type="button"
          onClick={() =>
            saveFile(`compliance.${ending}`, new TextEncoder().encode(textOf(report)), type)
          }
        >
          Save as {label}
        </button>
      ))}
    </>
  );
}

type Verdicts = ReadonlyMap<number, Verdict | undefined>;

function Report({ report }: { readonly report: ComplianceReport }): JSX.Element {
  const { from, to: until, checkpoint, standards } = report;
  const [verdicts, setVerdicts] = useState<Verdicts>(new Map());
  return (
    <>
      <Evidence report={report} verdicts={verdicts} onVerified={setVerdicts} />
      {standards.map(({ name, title, controls }) => (
        <Section key={name} title={title} note={<Summary controls={controls} />}>
          <Table
            label={title}
            layout="report"
            items={controls}
            keyOf={({ id }) => id}
            empty="The standard has no control that the broker can see."
            columns={[
              {
                title: 'Control',
                of: ({ id, title: text }) => (
                  <span>
                    <b>{id}</b> {text}
                  </span>
                ),
              },
              { title: 'State', of: ({ state }) => <StateOf state={state} /> },
              { title: 'Seen', of: (control) => <Seen control={control} verdicts={verdicts} /> },
            ]}
          />
        </Section>
      ))}
      <Section
        title="Checkpoint"
        note={`Period from ${from.slice(0, 10)} to ${until.slice(0, 10)}. The log signed this after the last check, so it covers every entry above.`}
      >
        <pre class="document" tabIndex={0}>
          {unmasked(checkpoint)}
        </pre>
      </Section>
    </>
  );
}

function StateOf({ state }: { readonly state: CheckState }): JSX.Element {
  const [tone, word] = STATES[state];
  return <State tone={tone}>{word}</State>;
}

function Summary({ controls }: { readonly controls: readonly AssessedControl[] }): JSX.Element {
  const number = (state: CheckState): number =>
    controls.filter((each) => each.state === state).length;
  const states = Object.keys(STATES) as readonly CheckState[];
  return <>{states.map((state) => `${number(state)} ${STATES[state][1]}`).join(', ')}</>;
}

/** The observations of the checks of one control. */
function Seen({
  control: { checks },
  verdicts,
}: {
  readonly control: AssessedControl;
  readonly verdicts: Verdicts;
}): JSX.Element {
  return (
    <ul class="plain stack">
      {checks.map(({ check, state, text, examples, query, entries }) => (
        <li key={check}>
          {checks.length > 1 && <StateOf state={state} />} <bdi>{text}</bdi>
          {state === 'fail' && <Lines items={examples} />}
          <p class="quiet">
            {query !== '' && <code>{query}</code>}
            {entries.length > 0 && ' Entries: '}
            {entries.map((index) => (
              <EntryLink key={index} index={index} verdict={verdicts.get(index)} />
            ))}
          </p>
        </li>
      ))}
    </ul>
  );
}

function EntryLink({
  index,
  verdict,
}: {
  readonly index: number;
  readonly verdict: Verdict | undefined;
}): JSX.Element {
  return (
    <>
      <a href={to(`/audit/${index}`)}>{index}</a>
      {verdict?.is === 'wrong' && <State tone="bad">not proven</State>}{' '}
    </>
  );
}

function toneOf(verdicts: readonly (Verdict | undefined)[]): Tone {
  if (verdicts.some((verdict) => verdict?.is === 'wrong')) return 'bad';
  // A browser without Ed25519 proves nothing.
  if (verdicts.includes(undefined)) return 'warn';
  return verdicts.length === 0 ? 'off' : 'good';
}

/** Verifies in the browser that the log has the entries that the report names. */
function Evidence({
  report,
  verdicts,
  onVerified,
}: {
  readonly report: ComplianceReport;
  readonly verdicts: Verdicts;
  readonly onVerified: (verdicts: Verdicts) => void;
}): JSX.Element | null {
  const { error, isRunning, attempt } = useAttempt();
  const entries = new Set(
    report.standards.flatMap(({ controls }) =>
      controls.flatMap(({ checks }) => checks.flatMap(({ entries: named }) => named)),
    ),
  );
  if (entries.size === 0) return null;
  const verify = async (): Promise<void> => {
    const found = new Map<number, Verdict | undefined>();
    const key = await call('readLogKey');
    for (const index of entries) {
      found.set(index, await verdictOf(await call('proveEntry', { path: { index } }), key));
      onVerified(new Map(found));
    }
  };
  const proven = [...verdicts.values()].filter((verdict) => verdict?.is === 'proven').length;
  return (
    <Section
      title="Evidence"
      note={`The report names ${count(entries.size, 'entry', 'entries')} of the audit log.`}
    >
      <div class="buttons" role="status">
        <button type="button" disabled={isRunning} onClick={() => void attempt(verify)}>
          {isRunning ? 'Verifying…' : 'Verify in this browser'}
        </button>
        <p>
          <State tone={toneOf([...verdicts.values()])}>
            {verdicts.size === 0 ? 'Not verified' : `${proven} of ${entries.size} proven`}
          </State>
        </p>
      </div>
      {error !== undefined && <Problem error={error} />}
    </Section>
  );
}
