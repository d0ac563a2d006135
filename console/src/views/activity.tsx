import type { JSX } from 'preact';
import type { call } from '../client.ts';
import { count } from '../format.ts';
import { Section, Time } from '../parts.tsx';

type Counts = NonNullable<Awaited<ReturnType<typeof call<'readStatus'>>>['activity']>;

const WIDTH = 240;
const HEIGHT = 40;
const MINUTE_MS = 60_000;
/** A young broker has few minutes: the chart is not stretched further than this. */
const FEWEST = 60;
/** The part of a minute that its bar fills. */
const BAR = 0.8;

/** Logins, reads and refusals per minute, of the broker that answers. */
export function Activity({
  of: { from, logins, reads, refusals },
}: {
  readonly of: Counts;
}): JSX.Element {
  return (
    <Section
      title="Last hours"
      note={
        <>
          Per minute, at the broker that answers, since <Time at={from} />.
        </>
      }
    >
      <div class="charts">
        <Chart title="Logins" unit="login" from={from} counts={logins} />
        <Chart title="Reads" unit="read" from={from} counts={reads} />
        <Chart title="Refusals" unit="refusal" from={from} counts={refusals} />
      </div>
    </Section>
  );
}

interface ChartProps {
  readonly title: string;
  readonly unit: string;
  readonly from: string;
  readonly counts: readonly number[];
}

/** Counts as bars, with its sum and its highest minute as text: a chart alone says nothing to a person who does not see it. */
function Chart({ title, unit, from, counts }: ChartProps): JSX.Element {
  const total = counts.reduce((sum, each) => sum + each, 0);
  const most = Math.max(0, ...counts);
  const at = counts.lastIndexOf(most);
  const peak = new Date(Date.parse(from) + at * MINUTE_MS);
  return (
    <figure>
      <figcaption>
        <b>{title}</b> <span class="quiet">{count(total, unit)}</span>
      </figcaption>
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" aria-hidden="true">
        <path d={barsOf(counts, most)} />
      </svg>
      <p class="quiet">
        {most === 0 ? (
          'none in this time'
        ) : (
          <>
            at most {most} in a minute, <Time at={peak.toISOString()} />
          </>
        )}
      </p>
    </figure>
  );
}

/** The path of the bars, the newest minute at the right. */
function barsOf(counts: readonly number[], most: number): string {
  if (most === 0) return '';
  const step = WIDTH / Math.max(counts.length, FEWEST);
  const start = WIDTH - counts.length * step;
  return counts
    .map((each, index) => {
      const height = (each / most) * HEIGHT;
      const x = start + index * step;
      return each === 0
        ? ''
        : `M${x.toFixed(2)} ${HEIGHT}v${(-height).toFixed(2)}h${(step * BAR).toFixed(2)}V${HEIGHT}z`;
    })
    .join('');
}
