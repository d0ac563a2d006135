import type { JSX } from 'preact';
import { Action } from '../action.tsx';
import { call, type Schema } from '../client.ts';
import { count } from '../format.ts';
import { Fields, PodId, SecretLink, WorkloadLink } from '../navigation.tsx';
import { LongTable } from '../long-table.tsx';
import { Command, Loading, Name, Page, State, Time } from '../parts.tsx';
import { address } from '../router.ts';
import { usePages } from './pages.ts';

type Lease = Schema<'Lease'>;

const FIELDS = [
  ['path', 'Path', 'payments/db'],
  ['workload', 'Workload', 'k8s://cluster/namespace/account'],
  ['mount', 'Mount'],
] as const;

/** Live leases by path, workload and mount; and the revocation of all that match. */
export function Leases(): JSX.Element {
  const { query } = address.value;
  const filter = Object.fromEntries(
    FIELDS.flatMap(([name]) => {
      const value = query.get(name) ?? '';
      return value === '' ? [] : [[name, value] as const];
    }),
  );
  const pages = usePages(
    `leases ${JSON.stringify(filter)}`,
    (after) => call('listLeases', { query: { ...filter, state: 'live', limit: 1_000, ...after } }),
    ['lease', 'session', 'beat'],
    ({ id }) => id,
  );
  const names = Object.keys(filter);
  const words = names.flatMap((name) => [`--${name}`, filter[name] ?? '']);
  return (
    <Page
      title="Leases"
      aside={
        pages.loaded.is === 'loaded' && names.length === 1 ? (
          <Revoke
            by={names[0] as 'path' | 'workload' | 'mount'}
            value={filter[names[0] ?? ''] ?? ''}
            leases={pages.loaded.data.items}
            isWhole={pages.loaded.data.isWhole}
          />
        ) : undefined
      }
    >
      <Fields path="/leases" names={FIELDS} />
      <Loading of={pages.loaded}>
        {({ items, isWhole }) => (
          <>
            <p class="quiet" role="status">
              {isWhole ? '' : 'The newest '}
              {count(items.length, 'live lease')}.{' '}
              {names.length !== 1 && 'Fill exactly one field to revoke all that match.'}
            </p>
            <LeaseTable
              key={JSON.stringify(filter)}
              items={items}
              onEnd={isWhole ? undefined : pages.more}
            />
          </>
        )}
      </Loading>
      <Command words={['lease', 'ls', ...words]} />
    </Page>
  );
}

function LeaseTable({
  items,
  onEnd,
}: {
  readonly items: readonly Lease[];
  readonly onEnd: (() => void) | undefined;
}): JSX.Element {
  return (
    <LongTable
      label="Leases"
      items={items}
      onEnd={onEnd}
      keyOf={({ id }) => id}
      empty="No live lease matches."
      columns={[
        { title: 'Path', of: ({ path }) => <SecretLink path={path} /> },
        { title: 'Workload', of: ({ workload }) => <WorkloadLink workload={workload} /> },
        {
          title: 'Pod',
          of: ({ podUid }) => <PodId uid={podUid} />,
        },
        { title: 'Version', of: ({ version }) => <code>{version}</code> },
        {
          title: 'Kind',
          of: ({ kind }) => (kind === 'dynamic' ? <State tone="info">{kind}</State> : kind),
        },
        { title: 'Since', of: ({ issuedAt }) => <Time at={issuedAt} /> },
        { title: 'Until', of: ({ endsAt }) => <Time at={endsAt} /> },
      ]}
    />
  );
}

interface RevokeProps {
  readonly by: 'path' | 'workload' | 'mount';
  readonly value: string;
  readonly leases: readonly Lease[];
  readonly isWhole: boolean;
}

function Revoke({ by, value, leases, isWhole }: RevokeProps): JSX.Element {
  const workloads = new Set(leases.map(({ workload }) => workload)).size;
  const dynamic = leases.filter(({ kind }) => kind === 'dynamic').length;
  return (
    <Action
      label="Revoke all"
      operation="revokeLeases"
      extent={by === 'path' ? { path: value } : 'everywhere'}
      isDangerous
      reason="optional"
      explanation={
        <p>
          {isWhole ? '' : 'More than '}
          {count(leases.length, 'lease')} of {count(workloads, 'workload')} end now, and{' '}
          {count(dynamic, 'dynamic credential')} are revoked at their backend: everything of the{' '}
          {by} <Name>{value}</Name>
          {by === 'path' && ' and below it'}.
        </p>
      }
      command={(comment) => ['lease', 'revoke', `--${by}`, value, '--comment', comment]}
      run={(comment) => {
        const why = comment === '' ? {} : { comment };
        if (by === 'path') return call('revokeLeases', { body: { by, path: value, ...why } });
        if (by === 'mount') return call('revokeLeases', { body: { by, mount: value, ...why } });
        return call('revokeLeases', { body: { by, workload: value, ...why } });
      }}
    />
  );
}
