import type { JSX } from 'preact';
import { Action } from '../action.tsx';
import { call, type Schema } from '../client.ts';
import { kindOf, readDocument, type Stored } from '../kinds.ts';
import { RECORDED, useLoad } from '../load.ts';
import { DocumentLink } from '../navigation.tsx';
import {
  Command,
  Facts,
  List,
  Loading,
  Name,
  Page,
  Section,
  State,
  Table,
  Time,
} from '../parts.tsx';
import { loadPeople, LOGIN_ACTION, LOGINS } from '../people.ts';
import { Rights } from '../rights.tsx';
import { to } from '../router.ts';
import { isPerson, session } from '../session.ts';
import { useDocuments } from './pages.ts';

type Grant = Schema<'Grant'>;
type RoleBinding = Schema<'RoleBinding'>;

const OPERATOR = kindOf('operator');
const ROLE_BINDING = kindOf('role-binding');

/** Who operates the broker: the rights of the person at the page, operators, role bindings, and one operator with its tokens. */
export function Access({ rest }: { readonly rest: string }): JSX.Element {
  return rest === '' ? <Overview /> : <OperatorPage key={rest} name={rest} />;
}

function grantsOf({ document }: Stored): readonly Grant[] {
  return (document as { readonly grants?: readonly Grant[] }).grants ?? [];
}

function Overview(): JSX.Element {
  const operators = useDocuments(OPERATOR);
  const bindings = useDocuments(ROLE_BINDING);
  return (
    <Page title="Access">
      <Own />
      <Section title="Operators" note="Roles of a named operator come from its document.">
        <List
          {...operators}
          label="Operators"
          keyOf={({ name }) => name}
          empty="There is no operator."
          columns={[
            {
              title: 'Operator',
              of: ({ name }) => (
                <a href={to(`/access/${name}`)}>
                  <bdi>{name}</bdi>
                </a>
              ),
            },
            { title: 'Roles', of: (each) => <Rights grants={grantsOf(each)} /> },
            { title: 'Changed', of: ({ updatedAt }) => <Time at={updatedAt} /> },
            { title: 'By', of: ({ updatedBy }) => <Name>{updatedBy}</Name> },
          ]}
        />
        <Command words={['operator', 'ls']} />
      </Section>
      <Section
        title="Role bindings"
        note="Roles of people come from what their issuer says about them."
      >
        <List
          {...bindings}
          label="Role bindings"
          keyOf={({ name }) => name}
          empty="No role binding: nobody has a role by logging in at an issuer."
          columns={[
            {
              title: 'Binding',
              of: ({ name }) => <DocumentLink kind="role-binding" name={name} />,
            },
            { title: 'Who', of: (each) => <Bound to={each.document as RoleBinding} /> },
            { title: 'Roles', of: (each) => <Rights grants={grantsOf(each)} /> },
          ]}
        />
        <Command words={['role-binding', 'ls']} />
      </Section>
      <People />
      <p>
        <a href={to('/approvals')}>Requests that wait, and rights that are in force for a time</a>
      </p>
    </Page>
  );
}

function People(): JSX.Element {
  const people = useLoad('people', loadPeople, ['token', RECORDED]);
  return (
    <Section
      title="People"
      note={`People who logged in at an issuer, by the newest ${LOGINS} logins in the audit log.`}
    >
      <Loading of={people}>
        {(items) => (
          <Table
            label="People"
            items={items}
            keyOf={({ name }) => name}
            empty="Nobody logged in at an issuer."
            columns={[
              { title: 'Person', of: ({ name }) => <Name>{name}</Name> },
              { title: 'Logins', isNumber: true, of: ({ logins }) => logins },
              { title: 'Last login', of: ({ last }) => <Time at={last} /> },
              {
                title: 'Entry',
                of: ({ index }) => <a href={to(`/audit/${index}`)}>{index}</a>,
              },
              {
                title: 'What they did',
                of: ({ name }) => <a href={to('/audit', { operator: name })}>audit log</a>,
              },
            ]}
          />
        )}
      </Loading>
      <Command words={['audit', 'search', '--action', LOGIN_ACTION, '--outcome', 'ok']} />
    </Section>
  );
}

/** Whom a binding concerns, as its document says it. */
function Bound({ to: binding }: { readonly to: RoleBinding }): JSX.Element {
  if ('workloads' in binding) return <>workloads that push evidence</>;
  const { issuer, subjects = [], claims = {} } = binding;
  const conditions = [
    ...subjects.map((subject) => `subject ${subject}`),
    ...Object.entries(claims).map(([claim, value]) => `${claim}: ${[value].flat().join(', ')}`),
  ];
  return (
    <bdi>
      {issuer}: {conditions.length === 0 ? 'everybody' : conditions.join('; ')}
    </bdi>
  );
}

/** The rights of this session, which may be fewer than those of its operator. */
function Own(): JSX.Element {
  const { value } = session;
  if (value.is !== 'signed-in') return <></>;
  const { operator, grants, sourceCidrs, endsAt } = value.own;
  return (
    <Section title="You" note="The rights of this session.">
      <Facts
        items={[
          ['Name', <Name>{operator}</Name>],
          ['Kind', isPerson(value.own) ? 'person of an issuer' : 'operator with a token'],
          ['Rights', <Rights grants={grants} />],
          ['Networks', sourceCidrs.length === 0 ? 'all' : sourceCidrs.join(', ')],
          ['Ends', <Time at={endsAt} />],
        ]}
      />
      <Command words={['whoami']} />
    </Section>
  );
}

/** One operator: its roles, and the tokens with what each may do now. */
function OperatorPage({ name }: { readonly name: string }): JSX.Element {
  const topics = [`document:operator/${name}`];
  const stored = useLoad(`document operator ${name}`, () => readDocument(OPERATOR, name), topics);
  const tokens = useLoad(`tokens ${name}`, () => call('listOperatorTokens', { path: { name } }), [
    'token',
    ...topics,
  ]);
  return (
    <Page title={name}>
      <Section title="Roles">
        <Loading of={stored}>
          {(found) => (
            <Facts
              items={[
                ['Roles', <Rights grants={grantsOf(found)} />],
                ['From', <a href={to(`/documents/operator/${name}`)}>its document</a>],
                ['Changed', <Time at={found.updatedAt} />],
                ['By', <Name>{found.updatedBy}</Name>],
              ]}
            />
          )}
        </Loading>
        <Command words={['operator', 'get', name]} />
      </Section>
      <Section title="Tokens" note="A token never gains a right that its operator gets later.">
        <List
          loaded={tokens}
          label="Tokens"
          keyOf={({ id }) => id}
          empty="The operator has no token."
          columns={[
            { title: 'Token', of: ({ id }) => <code>{id}</code> },
            { title: 'May', of: ({ carries }) => <Rights grants={carries} /> },
            {
              title: 'Networks',
              of: ({ sourceCidrs }) =>
                sourceCidrs.length === 0 ? <State tone="off">all</State> : sourceCidrs.join(', '),
            },
            { title: 'Created', of: ({ createdAt }) => <Time at={createdAt} /> },
            {
              title: 'By',
              of: ({ mintedBy, description }) => <Name>{mintedBy ?? description ?? ''}</Name>,
            },
            { title: 'Ends', of: ({ endsAt }) => <Time at={endsAt} /> },
            { title: 'Actions', of: ({ id }) => <Revoke name={name} id={id} /> },
          ]}
        />
        <Command words={['operator', 'token', 'ls', name]} />
      </Section>
    </Page>
  );
}

function Revoke({ name, id }: { readonly name: string; readonly id: string }): JSX.Element {
  return (
    <Action
      label="Revoke"
      operation="revokeOperatorToken"
      subject={id}
      isDangerous
      explanation={
        <p>
          Each request with this token of <Name>{name}</Name> is refused at once, at every broker. A
          console that was opened with it ends.
        </p>
      }
      command={() => ['operator', 'token', 'revoke', name, id]}
      run={() => call('revokeOperatorToken', { path: { name, id } })}
    />
  );
}
