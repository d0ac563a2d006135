import type { JSX } from 'preact';
import { call, type Schema } from '../client.ts';
import { count } from '../format.ts';
import { useLoad } from '../load.ts';
import { Command, Facts, Loading, Page, Section, State, Table } from '../parts.tsx';
import { address, go, to } from '../router.ts';

type Listing = Schema<'SecretListing'>;

/** Names of a prefix that are compared: more pages of them would be a list that nobody reads. */
const PAGES = 10;

interface Side {
  readonly prefix: string;
  /** Secrets by their path below the prefix. */
  readonly secrets: ReadonlyMap<string, Listing>;
  readonly isWhole: boolean;
}

interface Row {
  readonly name: string;
  readonly left: Listing | undefined;
  readonly right: Listing | undefined;
}

async function sideOf(prefix: string): Promise<Side> {
  const secrets = new Map<string, Listing>();
  let after: string | undefined;
  for (let page = 0; page < PAGES; page += 1) {
    const query = { prefix, limit: 1_000, ...(after !== undefined && { after }) };
    const part = await call('listSecrets', { query });
    for (const each of part.items) secrets.set(each.path.slice(prefix.length + 1), each);
    after = part.next;
    if (after === undefined) break;
  }
  return { prefix, secrets, isWhole: after === undefined };
}

function rowsOf(left: Side, right: Side): readonly Row[] {
  const names = new Set([...left.secrets.keys(), ...right.secrets.keys()]);
  return [...names]
    .sort((a, b) => a.localeCompare(b, 'en'))
    .map((name) => ({ name, left: left.secrets.get(name), right: right.secrets.get(name) }));
}

/** The field for a second prefix. The comparison has an address of its own. */
export function CompareWith({ prefix }: { readonly prefix: string }): JSX.Element {
  return (
    <form
      class="filters"
      onSubmit={(event) => {
        event.preventDefault();
        const field = event.currentTarget.elements.namedItem('with') as HTMLInputElement;
        const other = field.value.trim().replaceAll(/^\/+|\/+$/g, '');
        go(to(`/secrets/${prefix}/`, { with: other }));
      }}
    >
      <label>
        Compare with the prefix
        <input name="with" required placeholder="payments/production" autocomplete="off" />
      </label>
      <button>Compare</button>
    </form>
  );
}

/** Two prefixes side by side, by the names that the caller may list. No value is read. */
export function Compare({
  left,
  right,
}: {
  readonly left: string;
  readonly right: string;
}): JSX.Element {
  const isMissingOnly = address.value.query.get('only') === 'missing';
  const sides = useLoad(
    `compare ${left} ${right}`,
    () => Promise.all([sideOf(left), sideOf(right)]),
    ['secret'],
  );
  return (
    <Page title={`${left} and ${right}`} heading="Two prefixes side by side">
      <Facts
        items={[
          ['Left', <PrefixLink prefix={left} />],
          ['Right', <PrefixLink prefix={right} />],
        ]}
      />
      <Loading of={sides}>
        {([first, second]) => {
          const rows = rowsOf(first, second);
          const missing = rows.filter(
            (each) => each.left === undefined || each.right === undefined,
          );
          return (
            <Section
              title="Secrets by name"
              note={
                first.isWhole && second.isWhole
                  ? 'Names that you may list. Values are not read.'
                  : 'Only the first 10,000 names of each prefix are compared.'
              }
            >
              <p role="status">
                {missing.length === 0 ? (
                  <State tone="good">both have the same {count(rows.length, 'name')}</State>
                ) : (
                  <State tone="warn">
                    {missing.length} of {count(rows.length, 'name')} missing on one side
                  </State>
                )}
              </p>
              <label class="check">
                <input
                  type="checkbox"
                  checked={isMissingOnly}
                  onChange={(event) =>
                    go(
                      to(`/secrets/${left}/`, {
                        with: right,
                        only: event.currentTarget.checked ? 'missing' : undefined,
                      }),
                      { isReplaced: true },
                    )
                  }
                />
                Only what is missing
              </label>
              <Table
                label="Secrets of both prefixes"
                items={isMissingOnly ? missing : rows}
                keyOf={({ name }) => name}
                empty={
                  rows.length === 0
                    ? 'Neither prefix has a secret that you may list.'
                    : 'Nothing is missing.'
                }
                columns={[
                  { title: 'Name', of: ({ name }) => <bdi>{name}</bdi> },
                  { title: left, of: ({ left: of }) => <Presence of={of} /> },
                  { title: right, of: ({ right: of }) => <Presence of={of} /> },
                ]}
              />
            </Section>
          );
        }}
      </Loading>
      <Command words={['ls', left]} />
      <Command words={['ls', right]} />
    </Page>
  );
}

function PrefixLink({ prefix }: { readonly prefix: string }): JSX.Element {
  return (
    <a href={to(`/secrets/${prefix}/`)}>
      <bdi>{prefix}</bdi>/
    </a>
  );
}

function Presence({ of: secret }: { readonly of: Listing | undefined }): JSX.Element {
  if (secret === undefined) return <State tone="bad">missing</State>;
  return (
    <a href={to(`/secrets/${secret.path}`)}>
      version <code>{secret.version ?? ''}</code>
    </a>
  );
}
