import type { JSX } from 'preact';
import { readingRules, type ReadingRule } from '../../../src/cli/reports/reading-rules.ts';
import { allItems } from '../../../src/cli/reports/source.ts';
import { call } from '../client.ts';
import { Explain } from '../explain.tsx';
import { useLoad } from '../load.ts';
import { DocumentLink } from '../navigation.tsx';
import { Command, Lines, Loading, Section, State, Table } from '../parts.tsx';

/** The rules that let workloads read a secret, and a question to the broker about one workload. */
export function Readers({ path }: { readonly path: string }): JSX.Element {
  const rules = useLoad(
    `readers of ${path}`,
    async () =>
      readingRules(await allItems({ call }, 'listPolicies')).filter(({ reaches }) => reaches(path)),
    ['document'],
  );
  return (
    <Section
      title="Who may read it, and by which rule"
      note="A deny outweighs every allow. Operators read by their role: see Access."
    >
      <Loading of={rules}>
        {(found) => (
          <Table
            label="Rules about reads"
            items={found}
            keyOf={({ policy, rule }) => `${policy} ${rule}`}
            empty="No policy lets a workload read it."
            columns={[
              { title: 'Workloads', of: ({ subjects }) => <Lines items={subjects} isPlain /> },
              { title: 'Effect', of: (rule) => <Effect rule={rule} /> },
              {
                title: 'Policy',
                of: ({ policy }) => <DocumentLink kind="policy" name={policy} />,
              },
              { title: 'Rule', of: ({ rule }) => <bdi>{rule}</bdi> },
            ]}
          />
        )}
      </Loading>
      <Command words={['policy', 'readers', path]} />
      <Explain path={path} />
    </Section>
  );
}

function Effect({ rule: { effect, isConditional } }: { readonly rule: ReadingRule }): JSX.Element {
  return (
    <span>
      <State tone={effect === 'allow' ? 'good' : 'bad'}>{effect}</State>
      {isConditional && <span class="quiet"> under conditions</span>}
    </span>
  );
}
