import type { JSX } from 'preact';
import { OWN_REQUEST } from '../../../src/cli/reports/rights.ts';
import { Action } from '../action.tsx';
import { call, type Schema } from '../client.ts';
import { duration, unmasked } from '../format.ts';
import { useLoad } from '../load.ts';
import { Command, Facts, List, Loading, Name, Page, Section, State, Time } from '../parts.tsx';
import { RightsDiff } from '../rights.tsx';
import { to } from '../router.ts';
import { session } from '../session.ts';

type Approval = Schema<'Approval'>;

/** What a request asks for, in one line. */
function summary({ elevation, change }: Approval): string {
  if (elevation !== undefined) return `role ${elevation.role} for ${duration(elevation.seconds)}`;
  if (change !== undefined) return `${change.kind} ${change.name}`;
  return '';
}

function ApprovalState({ state }: Pick<Approval, 'state'>): JSX.Element {
  return state === 'pending' ? (
    <State tone="info">waits for approval</State>
  ) : (
    <State tone="warn">approved, in force</State>
  );
}

/** Requests that another operator must approve, and elevations in force. */
export function ApprovalList(): JSX.Element {
  const approvals = useLoad('approvals', () => call('listApprovals'), ['approval', 'token']);
  return (
    <Page title="Approvals">
      <List
        loaded={approvals}
        label="Requests"
        keyOf={({ id }) => id}
        empty="No request waits, and no elevation is in force."
        columns={[
          {
            title: 'Request',
            of: (approval) => (
              <a href={to(`/approvals/${approval.id}`)}>
                <bdi>{summary(approval)}</bdi>
              </a>
            ),
          },
          { title: 'State', of: (approval) => <ApprovalState state={approval.state} /> },
          { title: 'By', of: ({ requester }) => <Name>{requester}</Name> },
          { title: 'Asked', of: ({ createdAt }) => <Time at={createdAt} /> },
          { title: 'Ends', of: ({ endsAt }) => <Time at={endsAt} /> },
        ]}
      />
      <Command words={['approval', 'ls']} />
    </Page>
  );
}

/** One request, and what it gives: made to be read on a phone. */
export function ApprovalPage({ id }: { readonly id: string }): JSX.Element {
  const approval = useLoad(`approval ${id}`, () => call('readApproval', { path: { id } }), [
    `approval:${id}`,
    'token',
  ]);
  return (
    <Page title={`Request ${id}`} heading="Request">
      <Loading of={approval}>
        {(request) => (
          <>
            <Facts
              items={[
                ['State', <ApprovalState state={request.state} />],
                ['Asked by', <Name>{request.requester}</Name>],
                ['Asked', <Time at={request.createdAt} />],
                ['Ends', <Time at={request.endsAt} />],
                ...(request.approvedBy === undefined
                  ? []
                  : [['Approved by', <Name>{request.approvedBy}</Name>] as const]),
              ]}
            />
            <Section title="What it gives">
              <Given request={request} />
            </Section>
            {request.state === 'pending' && <Decision request={request} />}
          </>
        )}
      </Loading>
      <Command words={['approval', 'show', id]} />
    </Page>
  );
}

/** The rights that the person gets, as added lines; or the whole change as it was sent. */
function Given({ request: { elevation, change } }: { readonly request: Approval }): JSX.Element {
  if (elevation !== undefined) {
    const scopes = elevation.scope.length === 0 ? ['everything'] : elevation.scope;
    return (
      <>
        <ul class="diff" aria-label="Rights that are added">
          {scopes.map((scope) => (
            <li key={scope} class="added">
              <span aria-hidden="true">+ </span>
              role <b>{elevation.role}</b> for <bdi>{scope}</bdi>, {duration(elevation.seconds)}
            </li>
          ))}
        </ul>
        <p>
          Reason: <bdi>{elevation.reason}</bdi>
        </p>
      </>
    );
  }
  if (change === undefined) return <></>;
  const { grants } = change.body as { readonly grants?: readonly Schema<'Grant'>[] };
  return (
    <>
      {grants !== undefined && <GrantsOfChange change={change} after={grants} />}
      <p>
        The {change.kind} <Name>{change.name}</Name> is written exactly as it was sent:
      </p>
      <pre class="document" tabIndex={0}>
        {unmasked(JSON.stringify(change.body, undefined, 2))}
      </pre>
    </>
  );
}

/** The rights that a document would give and take, compared with the one in force. Without the right to read that one, all of them count as new. */
function GrantsOfChange({
  change: { kind, name },
  after,
}: {
  readonly change: { readonly kind: string; readonly name: string };
  readonly after: readonly Schema<'Grant'>[];
}): JSX.Element {
  const isBinding = kind === 'role-binding';
  const current = useLoad(
    `document ${kind} ${name}`,
    () =>
      isBinding
        ? call('readRoleBinding', { path: { name } })
        : call('readOperator', { path: { name } }),
    [`document:${kind}/${name}`],
  );
  if (current.is === 'loading') return <p class="quiet loading">Loading…</p>;
  const stored: { readonly grants?: readonly Schema<'Grant'>[] } =
    current.is === 'loaded' ? current.data.document : {};
  const before = stored.grants ?? [];
  return <RightsDiff before={before} after={after} />;
}

function Decision({ request }: { readonly request: Approval }): JSX.Element {
  const { id, requester } = request;
  const { value } = session;
  const isOwn = value.is === 'signed-in' && value.own.operator === requester;
  const refusal = isOwn ? OWN_REQUEST : undefined;
  return (
    <div class="buttons decision">
      <Action
        label="Approve"
        operation="approveRequest"
        refusal={refusal}
        isDangerous
        explanation={
          <p>
            <Name>{requester}</Name> gets: {summary(request)}.
          </p>
        }
        command={() => ['approval', 'approve', id]}
        run={() => call('approveRequest', { path: { id }, body: {} })}
      />
      <Action
        label="Deny"
        operation="denyRequest"
        refusal={refusal}
        reason="optional"
        explanation={
          <p>
            The request of <Name>{requester}</Name> ends. It can be asked again.
          </p>
        }
        command={(reason) => ['approval', 'deny', id, '--reason', reason]}
        run={(reason) =>
          call('denyRequest', { path: { id }, body: reason === '' ? {} : { reason } })
        }
      />
    </div>
  );
}
