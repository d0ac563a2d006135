import { useState } from 'preact/hooks';
import type { JSX } from 'preact';
import { call, type Schema } from '../client.ts';
import { Choice } from '../fields.tsx';
import { exactTime } from '../format.ts';
import { RECORDED, useLoad } from '../load.ts';
import { WorkloadLink } from '../navigation.tsx';
import { Command, Loading, Name, Section, State, Table, Time } from '../parts.tsx';
import { DAY_MS, PERIODS } from '../period.ts';
import { brokerNow } from '../clock.ts';
import { address, go, to } from '../router.ts';

type Receipt = Schema<'Receipt'>;
type Lease = Schema<'Lease'>;

/** Steps of the slider. */
const STEPS = 500;

/** What a receipt meant at one time. */
type Hold = 'held' | 'ended' | 'read';
const HOLDS = {
  held: ['warn', 'held it'],
  ended: ['off', 'its lease had ended'],
  read: ['info', 'had read it, without a lease'],
} as const;

/** Who had the secret at a time, by the audit log and the leases. One load serves the whole slider. */
export function Receivers({ path }: { readonly path: string }): JSX.Element {
  const { query } = address.value;
  const asked = query.get('days');
  const days = PERIODS.find(([value]) => value === asked)?.[0] ?? '7';
  const [times, setTimes] = useState(0);
  const found = useLoad(
    `receivers ${path} ${days} ${times}`,
    async () => {
      const now = brokerNow();
      const from = now - Number(days) * DAY_MS;
      const query_ = { path, from: new Date(from).toISOString(), limit: 1_000 };
      // One after the other: of two refusals the first one shows, and always the same.
      const { items, next } = await call('listReceivers', { query: query_ });
      const leases = await call('listLeases', { query: { path, limit: 1_000 } });
      // A page that is not whole reaches back only to its oldest entry.
      const oldest = Math.min(now, ...items.map(({ first }) => Date.parse(first)));
      return {
        now,
        from: next === undefined ? from : oldest,
        isWhole: next === undefined,
        items,
        leases: new Map(leases.items.map((lease) => [lease.id, lease])),
      };
    },
    [`secret:${path}`, RECORDED],
  );
  const show = (change: { readonly at?: string | undefined; readonly days?: string }): void => {
    const all = { ...Object.fromEntries(query), ...change };
    go(to(`/secrets/${path}`, all), { isReplaced: true });
  };
  const typed = Date.parse(query.get('at') ?? '');
  return (
    <Section
      title="Who had it at a time"
      note="From the audit log and the leases, when this page was opened. The broker records the search."
    >
      <Loading of={found}>
        {({ now, from, isWhole, items, leases }) => {
          const at = Number.isNaN(typed) ? now : Math.min(now, Math.max(from, typed));
          const step = (now - from) / STEPS;
          const rows = rowsAt(at, items, leases);
          return (
            <>
              <div class="filters">
                <Choice
                  label="Period"
                  value={days}
                  options={PERIODS}
                  onChange={(chosen) => show({ days: chosen, at: undefined })}
                />
                <label class="slider">
                  <span>
                    At <b>{at === now ? 'this moment' : exactTime(at)}</b>
                  </span>
                  <input
                    type="range"
                    min={0}
                    max={STEPS}
                    value={step === 0 ? STEPS : Math.round((at - from) / step)}
                    aria-valuetext={at === now ? 'now' : exactTime(at)}
                    onInput={(event) => {
                      const chosen = Number(event.currentTarget.value);
                      const time = new Date(from + chosen * step).toISOString();
                      show({ at: chosen === STEPS ? undefined : time });
                    }}
                  />
                </label>
                <button type="button" onClick={() => setTimes(times + 1)}>
                  Search again
                </button>
              </div>
              {!isWhole && (
                <p class="quiet">
                  The log has more reads in this period. The slider reaches back to the oldest of
                  the newest 1,000.
                </p>
              )}
              <Table
                label="Receivers"
                items={rows}
                keyOf={({ receipt }) =>
                  `${receipt.receiver} ${receipt.version} ${receipt.lease} ${receipt.lastIndex}`
                }
                empty="By the live audit log, no caller had it then."
                columns={[
                  { title: 'Who', of: ({ receipt }) => <Receiver name={receipt.receiver} /> },
                  {
                    title: 'Pod',
                    of: ({ receipt: { pod } }) =>
                      pod === undefined ? <span class="quiet">none</span> : <Name>{pod}</Name>,
                  },
                  {
                    title: 'Version',
                    of: ({ receipt }) => <code>{receipt.version ?? ''}</code>,
                  },
                  {
                    title: 'At that time',
                    of: ({ hold }) => <State tone={HOLDS[hold][0]}>{HOLDS[hold][1]}</State>,
                  },
                  { title: 'Reads', isNumber: true, of: ({ receipt }) => receipt.reads },
                  { title: 'First', of: ({ receipt }) => <Time at={receipt.first} /> },
                  { title: 'Last', of: ({ receipt }) => <Time at={receipt.last} /> },
                  {
                    title: 'Entry',
                    of: ({ receipt: { firstIndex } }) => (
                      <a href={to(`/audit/${firstIndex}`)}>{firstIndex}</a>
                    ),
                  },
                ]}
              />
            </>
          );
        }}
      </Loading>
      <Command words={['audit', 'who-received', path]} />
    </Section>
  );
}

interface Row {
  readonly receipt: Receipt;
  readonly hold: Hold;
}

/** The receipts up to a time, those that were still valid then first. */
function rowsAt(
  at: number,
  receipts: readonly Receipt[],
  leases: ReadonlyMap<string, Lease>,
): readonly Row[] {
  const order = ['held', 'read', 'ended'];
  return receipts
    .filter(({ first }) => Date.parse(first) <= at)
    .map((receipt): Row => ({ receipt, hold: holdAt(at, receipt, leases) }))
    .sort((a, b) => order.indexOf(a.hold) - order.indexOf(b.hold));
}

/** An ended lease that the broker no longer lists ended before now, and no earlier than the last read under it. */
function holdAt(
  at: number,
  { lease, last, validUntil }: Receipt,
  leases: ReadonlyMap<string, Lease>,
): Hold {
  if (lease === undefined) return 'read';
  const end = leases.get(lease)?.endsAt ?? validUntil ?? last;
  return Date.parse(end) > at || Date.parse(last) >= at ? 'held' : 'ended';
}

function Receiver({ name }: { readonly name: string }): JSX.Element {
  if (!name.includes('://')) return <Name>{name}</Name>;
  return <WorkloadLink workload={name} />;
}
