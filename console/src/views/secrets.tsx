import type { JSX } from 'preact';
import { call, type Schema } from '../client.ts';
import { count } from '../format.ts';
import { currentFilter, Filter } from '../navigation.tsx';
import { Command, Loading, More, Page, State, Table } from '../parts.tsx';
import { address, to } from '../router.ts';
import { Compare, CompareWith } from './compare.tsx';
import { usePages } from './pages.ts';
import { CreateSecret } from './secret-changes.tsx';

type Listing = Schema<'SecretListing'>;

interface Folder {
  readonly name: string;
  readonly path: string;
  readonly count: number;
}

/** The tree of the secrets that the caller may list: the folders and secrets below one prefix; or two prefixes side by side. */
export function Secrets({ prefix }: { readonly prefix: string }): JSX.Element {
  const other = address.value.query.get('with') ?? '';
  if (prefix === '' || other === '') return <Folders prefix={prefix} />;
  return <Compare key={`${prefix} ${other}`} left={prefix} right={other} />;
}

function Folders({ prefix }: { readonly prefix: string }): JSX.Element {
  const filter = currentFilter();
  const pages = usePages(
    `secrets ${prefix}`,
    (after) =>
      call('listSecrets', { query: { ...(prefix !== '' && { prefix }), limit: 1_000, ...after } }),
    ['secret', 'document'],
    ({ path }) => path,
  );
  return (
    <Page
      title={prefix === '' ? 'Secrets' : prefix}
      heading={<Crumbs prefix={prefix} />}
      aside={<CreateSecret key={prefix} prefix={prefix} />}
    >
      <Filter path={`/secrets/${prefix === '' ? '' : `${prefix}/`}`} placeholder="part of a path" />
      <Loading of={pages.loaded}>
        {({ items, isWhole }) => (
          <>
            <Tree prefix={prefix} items={items.filter(({ path }) => path.includes(filter))} />
            <More isWhole={isWhole} load={pages.more} />
            <p class="quiet">
              {isWhole
                ? count(items.length, 'secret')
                : `The first ${count(items.length, 'secret')}`}{' '}
              that you may list.
            </p>
          </>
        )}
      </Loading>
      {prefix !== '' && <CompareWith prefix={prefix} />}
      <Command words={['ls', ...(prefix === '' ? [] : [prefix])]} />
    </Page>
  );
}

/** The path with a link for each folder above. */
export function Crumbs({ prefix }: { readonly prefix: string }): JSX.Element {
  const names = prefix === '' ? [] : prefix.split('/');
  return (
    <nav class="crumbs" aria-label="Path">
      <a href={to('/secrets/')}>Secrets</a>
      {names.map((name, index) => {
        const path = names.slice(0, index + 1).join('/');
        const isLast = index === names.length - 1;
        return (
          <span key={path}>
            <span class="quiet" aria-hidden="true">
              {' '}
              /{' '}
            </span>
            {isLast ? (
              <bdi aria-current="page">{name}</bdi>
            ) : (
              <a href={to(`/secrets/${path}/`)}>
                <bdi>{name}</bdi>
              </a>
            )}
          </span>
        );
      })}
    </nav>
  );
}

function Tree({
  prefix,
  items,
}: {
  readonly prefix: string;
  readonly items: readonly Listing[];
}): JSX.Element {
  const start = prefix === '' ? 0 : prefix.length + 1;
  const folders = new Map<string, Folder>();
  const secrets: Listing[] = [];
  for (const item of items) {
    const rest = item.path.slice(start);
    const end = rest.indexOf('/');
    if (end === -1) {
      secrets.push(item);
      continue;
    }
    const name = rest.slice(0, end);
    const before = folders.get(name);
    folders.set(name, {
      name,
      path: item.path.slice(0, start + end),
      count: (before?.count ?? 0) + 1,
    });
  }
  const rows = [...folders.values(), ...secrets];
  return (
    <Table
      label="Secrets"
      items={rows}
      keyOf={({ path }) => path}
      empty={
        prefix === ''
          ? 'There is no secret that you may list.'
          : 'There is no such secret below this prefix that you may list.'
      }
      columns={[
        {
          title: 'Name',
          of: (row) =>
            'name' in row ? (
              <a href={to(`/secrets/${row.path}/`)}>
                <bdi>{row.name}</bdi>/
              </a>
            ) : (
              <a href={to(`/secrets/${row.path}`)}>
                <bdi>{row.path.slice(start)}</bdi>
              </a>
            ),
        },
        { title: 'Version', of: (row) => ('name' in row ? '' : <code>{row.version ?? ''}</code>) },
        {
          title: 'State',
          of: (row) => {
            if ('name' in row) return <span class="quiet">{count(row.count, 'secret')}</span>;
            if (row.destroyAt !== undefined) return <State tone="off">deleted</State>;
            if (row.decoy === true) return <State tone="info">decoy</State>;
            return '';
          },
        },
      ]}
    />
  );
}
