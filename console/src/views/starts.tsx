import type { JSX } from 'preact';
import { call } from '../client.ts';
import { RECORDED, useLoad } from '../load.ts';
import { Command, Loading, Section, State, Table, Time } from '../parts.tsx';
import { to } from '../router.ts';

/** Starts and stops of the log that are read. */
const LIMIT = 50;

interface BootFacts {
  readonly writer?: string;
  readonly time?: string;
  readonly boot?: { readonly release?: string };
}

interface Start {
  readonly index: number;
  readonly entry: BootFacts;
  readonly stopped: string | undefined;
}

async function loadStarts(): Promise<readonly Start[]> {
  const [starts, stops] = await Promise.all(
    (['broker.start', 'broker.stop'] as const).map((action) =>
      call('searchAudit', { query: { action, limit: LIMIT } }),
    ),
  );
  const ends = new Map(
    stops?.items.map(({ entry }) => {
      const { writer, time } = entry as BootFacts;
      return [writer, time];
    }),
  );
  return (starts?.items ?? []).map(({ index, entry }) => {
    const facts = entry as BootFacts;
    return { index, entry: facts, stopped: ends.get(facts.writer) };
  });
}

/** Brokers of the store by the log, in which each of them writes its start and its stop. */
export function Starts(): JSX.Element {
  const starts = useLoad('starts', loadStarts, [RECORDED]);
  return (
    <Section
      title="Brokers of this store"
      note={`By the newest ${LIMIT} starts in the audit log. The broker records the search.`}
    >
      <Loading of={starts}>
        {(items) => (
          <Table
            label="Brokers"
            items={items}
            keyOf={({ index }) => String(index)}
            empty="The live audit log has no start of a broker."
            columns={[
              { title: 'Process', of: ({ entry }) => <code>{entry.writer}</code> },
              { title: 'Release', of: ({ entry }) => <bdi>{entry.boot?.release}</bdi> },
              { title: 'Started', of: ({ entry }) => <Time at={entry.time} /> },
              {
                title: 'Stopped',
                of: ({ stopped }) =>
                  stopped === undefined ? (
                    <State tone="info">no stop recorded</State>
                  ) : (
                    <Time at={stopped} />
                  ),
              },
              { title: 'Entry', of: ({ index }) => <a href={to(`/audit/${index}`)}>{index}</a> },
            ]}
          />
        )}
      </Loading>
      <p class="quiet">A broker without a stop runs, or it was killed.</p>
      <Command words={['audit', 'search', '--action', 'broker.start']} />
    </Section>
  );
}
