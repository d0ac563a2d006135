import { useState } from 'preact/hooks';
import type { JSX } from 'preact';
import { accessChanges, decisionText } from '../../../src/cli/reports/access-changes.ts';
import { readReplay, type Draft, type Replayed } from '../../../src/cli/reports/replay.ts';
import { NEEDS_BOTH } from '../../../src/cli/reports/rights.ts';
import { useAttempt } from '../attempt.ts';
import { call } from '../client.ts';
import { brokerNow } from '../clock.ts';
import { Choice } from '../fields.tsx';
import { count } from '../format.ts';
import { SecretLink, WorkloadLink } from '../navigation.tsx';
import { Problem, State, Table, Time } from '../parts.tsx';
import { holds, Permitted } from '../rights.tsx';
import { DAY_MS, PERIODS } from '../period.ts';

/** Periods of a replay, which reads every entry. */
const REPLAYED = PERIODS.slice(0, 3);
/** Each page reads a part of the log; for more the person shortens the time. */
const PAGES = 10;

const TONES = { gains: 'info', loses: 'bad', unknown: 'warn' } as const;

/** Shows who gains and who loses, by the live leases and the requests of the log. */
export function PolicyPlan({ draft }: { readonly draft: () => Draft }): JSX.Element {
  const [days, setDays] = useState('7');
  const [found, setFound] = useState<Replayed>();
  const { error, isRunning, attempt } = useAttempt();
  const hasBoth = holds(['auditor'], 'everywhere') && holds(['policy-editor', 'admin'], 'anywhere');
  const run = async (): Promise<void> => {
    setFound(undefined);
    const from = new Date(brokerNow() - Number(days) * DAY_MS).toISOString();
    let pages = 0;
    const isEnough = (sofar: Replayed): boolean => {
      setFound(sofar);
      pages += 1;
      return pages === PAGES;
    };
    const question = { draft: draft(), period: { from }, comparison: 'draft', isEnough } as const;
    await readReplay({ call, progress: () => undefined }, question);
  };
  return (
    <>
      <div class="filters">
        <Choice
          label="Compare with live leases and"
          value={days}
          options={REPLAYED}
          isDisabled={isRunning}
          onChange={(chosen) => {
            setDays(chosen);
            setFound(undefined);
          }}
        />
        <Permitted
          operation="replayPolicies"
          extent="anywhere"
          refusal={hasBoth ? undefined : NEEDS_BOTH}
          isDisabled={isRunning}
          onClick={() => void attempt(run)}
        >
          {isRunning ? 'Reading the log…' : 'Show who gains and who loses'}
        </Permitted>
      </div>
      {error !== undefined && <Problem error={error} />}
      {found !== undefined && <Gains found={found} isRunning={isRunning} />}
    </>
  );
}

function Gains({
  found,
  isRunning,
}: {
  readonly found: Replayed;
  readonly isRunning: boolean;
}): JSX.Element {
  const { gains, loses, unknown, widened } = accessChanges(found);
  const changes = Object.entries({ loses, gains, unknown }).flatMap(([is, requests]) =>
    requests.map((request) => ({ is: is as keyof typeof TONES, ...request })),
  );
  return (
    <>
      <p role="status">
        {count(gains.length, 'request')} would be allowed and {loses.length} denied, of{' '}
        {count(found.entries, 'entry', 'entries')} read and the live leases.
        {!found.isWhole && !isRunning && ' The log has more: shorten the time to read all of it.'}
      </p>
      <Table
        label="Who gains and who loses"
        items={changes}
        keyOf={({ workload, capability, path, before, after }) =>
          JSON.stringify([workload, capability, path, before, after])
        }
        empty="No workload that asked before gains or loses access."
        columns={[
          { title: 'Change', of: ({ is }) => <State tone={TONES[is]}>{is}</State> },
          { title: 'Workload', of: ({ workload }) => <WorkloadLink workload={workload} /> },
          { title: 'Capability', of: ({ capability }) => capability },
          { title: 'Path', of: ({ path }) => <SecretLink path={path} /> },
          { title: 'Before', of: ({ before }) => decisionText(before) },
          { title: 'After', of: ({ after }) => decisionText(after) },
          { title: 'Requests', isNumber: true, of: ({ count: requests }) => requests },
          { title: 'Live leases', isNumber: true, of: ({ live }) => live },
          { title: 'Last', of: ({ last }) => <Time at={last} /> },
        ]}
      />
      {widened.length > 0 && (
        <ul class="lines" aria-label="What the text allows in addition">
          {widened.map(({ change, policy, rule, path, capabilities }) => (
            <li key={`${change} ${policy} ${rule} ${path}`}>
              {change === 'allow_added' ? 'adds' : 'no longer denies'} {capabilities.join(', ')} on{' '}
              <bdi>{path}</bdi> (rule {rule})
            </li>
          ))}
        </ul>
      )}
    </>
  );
}
