import type { JSX } from 'preact';
import { Action } from '../action.tsx';
import { call, type Schema } from '../client.ts';
import { Subject } from '../navigation.tsx';
import { Name, State, Table, Time } from '../parts.tsx';

export function QuarantineTable({
  items,
}: {
  readonly items: readonly Schema<'Quarantine'>[];
}): JSX.Element {
  return (
    <Table
      label="Quarantines"
      items={items}
      keyOf={({ id }) => id}
      empty="No quarantine is in force."
      columns={[
        {
          title: 'Subject',
          of: (each) => (
            <>
              {each.kind} <Subject of={each} />
            </>
          ),
        },
        {
          title: 'Effect',
          of: ({ suspended }) =>
            suspended === true ? (
              <State tone="warn">no new secrets</State>
            ) : (
              <State tone="bad">refuses everything</State>
            ),
        },
        { title: 'Reason', of: ({ reason }) => <bdi>{reason}</bdi> },
        { title: 'By', of: ({ createdBy }) => <Name>{createdBy}</Name> },
        { title: 'Since', of: ({ createdAt }) => <Time at={createdAt} /> },
        {
          title: 'Action',
          of: (each) => (
            <Action
              label={`Lift ${each.id}`}
              operation="liftQuarantine"
              isDangerous
              reason="required"
              explanation={
                <p>
                  The {each.kind} <Subject of={each} /> may log in again and read what the policies
                  allow.
                </p>
              }
              command={(reason) => ['quarantine', 'lift', each.id, '--reason', reason]}
              run={(reason) => call('liftQuarantine', { path: { id: each.id }, query: { reason } })}
            />
          ),
        },
      ]}
    />
  );
}
