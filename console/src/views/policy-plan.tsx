import { useState } from 'preact/hooks';
import type { JSX } from 'preact';
import { call, Refusal, type Schema } from '../client.ts';
import { brokerNow } from '../clock.ts';
import { count } from '../format.ts';
import { SecretLink, WorkloadLink } from '../navigation.tsx';
import { Problem, State, Table, Time } from '../parts.tsx';
import { DAY_MS, Period, PERIODS } from '../period.tsx';

/** Changes of policies that are not saved: JSON texts, and names. */
export interface PolicyDraft {
  readonly policies: readonly string[];
  readonly remove: readonly string[];
}

interface Change {
  readonly is: 'gains' | 'loses' | 'unknown';
  readonly workload: string;
  readonly capability: string;
  readonly path: string;
  count: number;
  live: number;
  last: string;
}

interface Found {
  readonly changes: readonly Change[];
  readonly widened: Schema<'PolicyReplay'>['widened'];
  readonly entries: number;
  readonly isWhole: boolean;
}

/** Periods of a replay, which reads every entry. */
const REPLAYED = PERIODS.slice(0, 3);
/** Each page reads a part of the log; the person may go on. */
const PAGES = 10;

/** What the draft does to one request of the log; undefined: nothing. */
function effectOn({ current, draft = current }: Schema<'SeenRequest'>): Change['is'] | undefined {
  if (draft.effect === current.effect) return undefined;
  if (draft.effect === 'unknown' || current.effect === 'unknown') return 'unknown';
  return draft.effect === 'allow' ? 'gains' : 'loses';
}

/** Reads the log with the draft, page by page. */
async function replay(
  draft: PolicyDraft,
  from: string,
  report: (found: Found) => void,
): Promise<void> {
  const changes = new Map<string, Change>();
  const widened: Schema<'PolicyReplay'>['widened'][number][] = [];
  let entries = 0;
  let after: string | undefined;
  for (let page = 0; page < PAGES; page += 1) {
    const body = { from, draft: { policies: [...draft.policies], remove: [...draft.remove] } };
    const part = await call('replayPolicies', {
      body: { ...body, ...(after !== undefined && { after }) },
    });
    for (const item of part.items) {
      const is = effectOn(item);
      if (is === undefined) continue;
      const { workload, capability, path, last } = item;
      const key = JSON.stringify([is, workload, capability, path]);
      const known = changes.get(key) ?? { is, workload, capability, path, count: 0, live: 0, last };
      known.count += item.count;
      known.live += item.live;
      changes.set(key, known);
    }
    entries += part.entries;
    widened.push(...part.widened);
    after = part.next;
    report({ changes: [...changes.values()], widened, entries, isWhole: after === undefined });
    if (after === undefined) return;
  }
}

const TONES = { gains: 'info', loses: 'bad', unknown: 'warn' } as const;

/** Shows who gains and who loses, by the live leases and the requests of the log. */
export function PolicyPlan({ draft }: { readonly draft: () => PolicyDraft }): JSX.Element {
  const [days, setDays] = useState('7');
  const [found, setFound] = useState<Found>();
  const [error, setError] = useState<Refusal>();
  const [isRunning, setRunning] = useState(false);
  const run = async (): Promise<void> => {
    setRunning(true);
    setError(undefined);
    setFound(undefined);
    try {
      await replay(draft(), new Date(brokerNow() - Number(days) * DAY_MS).toISOString(), setFound);
    } catch (thrown) {
      setError(Refusal.from(thrown, String(thrown)));
    }
    setRunning(false);
  };
  return (
    <>
      <div class="filters">
        <Period
          label="Compare with live leases and"
          days={days}
          periods={REPLAYED}
          isDisabled={isRunning}
          onChange={(chosen) => {
            setDays(chosen);
            setFound(undefined);
          }}
        />
        <button type="button" disabled={isRunning} onClick={() => void run()}>
          {isRunning ? 'Reading the log…' : 'Show who gains and who loses'}
        </button>
      </div>
      {error !== undefined && <Problem error={error} />}
      {found !== undefined && <Gains found={found} isRunning={isRunning} />}
    </>
  );
}

function Gains({
  found: { changes, widened, entries, isWhole },
  isRunning,
}: {
  readonly found: Found;
  readonly isRunning: boolean;
}): JSX.Element {
  const number = (is: Change['is']): number => changes.filter((each) => each.is === is).length;
  return (
    <>
      <p role="status">
        {count(number('gains'), 'request')} would be allowed and {number('loses')} denied, of{' '}
        {count(entries, 'entry', 'entries')} read and the live leases.
        {!isWhole && !isRunning && ' The log has more: shorten the time to read all of it.'}
      </p>
      <Table
        label="Who gains and who loses"
        items={changes}
        keyOf={({ is, workload, capability, path }) => `${is} ${workload} ${capability} ${path}`}
        empty="No workload that asked before gains or loses access."
        columns={[
          { title: 'Change', of: ({ is }) => <State tone={TONES[is]}>{is}</State> },
          { title: 'Workload', of: ({ workload }) => <WorkloadLink workload={workload} /> },
          { title: 'Capability', of: ({ capability }) => capability },
          { title: 'Path', of: ({ path }) => <SecretLink path={path} /> },
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
