import { useState } from 'preact/hooks';
import type { JSX } from 'preact';
import { useAttempt } from '../attempt.ts';
import { call, type Schema } from '../client.ts';
import { saveFile } from '../download.ts';
import { indented, unmasked } from '../format.ts';
import { RECORDED, useLoad, useSettled } from '../load.ts';
import { Fields, SecretLink } from '../navigation.tsx';
import {
  Command,
  Facts,
  Loading,
  More,
  Name,
  Page,
  Problem,
  Section,
  State,
  Table,
  Time,
} from '../parts.tsx';
import { verdictOf, type Verdict } from '../proof.ts';
import { address, to } from '../router.ts';
import { usePages } from './pages.ts';

/** A filter: the name of the parameter, its label, and an example. The option of the command line is the parameter, if it has no name of its own. */
type FilterField = readonly [parameter: string, label: string, placeholder?: string];

/** Filters that people use most. */
const FILTERS: readonly FilterField[] = [
  ['pathPrefix', 'Path or prefix', 'payments'],
  ['action', 'Action', 'secret.read'],
  ['outcome', 'Outcome', 'ok, deny or error'],
  ['operator', 'Operator'],
  ['workload', 'Workload', 'k8s://cluster/namespace/account'],
  ['from', 'From', '2026-01-05T10:00:00Z'],
  ['to', 'To', '2026-01-05T12:00:00Z'],
];
/** The other filters of the command line. */
const MORE_FILTERS: readonly FilterField[] = [
  ['path', 'This path only', 'payments/db'],
  ['cluster', 'Cluster'],
  ['namespace', 'Namespace'],
  ['pod', 'Pod', 'UID'],
  ['system', 'Component', 'rotations'],
  ['document', 'Document', 'policy/payments'],
  ['locator', 'Place at a backend', 'vault:secret/data/payments/db'],
  ['code', 'Error code', 'ERR_DENIED'],
  ['version', 'Version'],
  ['lease', 'Lease'],
  ['credential', 'Credential'],
  ['session', 'Session'],
  ['token', 'Token'],
  ['requestId', 'Request'],
  ['fingerprint', 'Fingerprint'],
];
const ALL_FILTERS = [...FILTERS, ...MORE_FILTERS];
/** Entries of one export: more of them are for the command line. */
const MOST_EXPORTED = 10_000;
interface EntryFacts {
  readonly time?: string;
  readonly action?: string;
  readonly outcome?: string;
  readonly code?: string;
  readonly path?: string;
  readonly actor?: { readonly id?: string; readonly kind?: string };
}

/** The search in the audit log, as one types. Each filter is a parameter of the address. */
export function Audit(): JSX.Element {
  const { query } = address.value;
  const typed = ALL_FILTERS.flatMap(([name]) => {
    const value = query.get(name)?.trim() ?? '';
    return value === '' ? [] : [[name, value] as const];
  });
  const settled = useSettled(JSON.stringify(typed));
  const filter = Object.fromEntries(JSON.parse(settled) as typeof typed) as object;
  const pages = usePages(
    `audit ${settled}`,
    (after) => call('searchAudit', { query: { ...filter, limit: 100, ...after } }),
    [RECORDED],
    ({ index }) => String(index),
  );
  const words = typed.flatMap(([name, value]) => [`--${optionOf(name)}`, value]);
  const isMore = typed.some(([name]) => MORE_FILTERS.some(([each]) => each === name));
  return (
    <Page title="Audit log" aside={<Export filter={filter} />}>
      <Fields path="/audit" names={FILTERS} />
      <details open={isMore}>
        <summary>More filters</summary>
        <Fields path="/audit" names={MORE_FILTERS} />
      </details>
      <Chips filters={typed} />
      <Loading of={pages.loaded}>
        {({ items, isWhole }) => (
          <>
            <Entries items={items} />
            <More isWhole={isWhole} load={pages.more} />
          </>
        )}
      </Loading>
      <Command words={['audit', 'search', ...words]} />
      <Section title="Reports">
        <p>
          <a href={to('/audit/compliance')}>Compliance report</a>: the controls of standards, each
          with what was seen and entries as evidence.
        </p>
        <p>The whole log with its proofs, which can be verified without the broker:</p>
        <Command words={['audit', 'export', 'DIRECTORY']} />
      </Section>
    </Page>
  );
}

/** The option of the command line for a parameter. */
function optionOf(parameter: string): string {
  if (parameter === 'version') return 'secret-version';
  return parameter.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** The filters in force, each of which a click removes. */
function Chips({
  filters,
}: {
  readonly filters: readonly (readonly [string, string])[];
}): JSX.Element | null {
  const { query } = address.value;
  if (filters.length === 0) return null;
  return (
    <ul class="chips" aria-label="Filters in force">
      {filters.map(([name, value]) => (
        <li key={name}>
          <a href={to('/audit', { ...Object.fromEntries(query), [name]: undefined })}>
            --{optionOf(name)} <bdi>{value}</bdi> <span aria-hidden="true">×</span>
            <span class="unseen"> remove</span>
          </a>
        </li>
      ))}
    </ul>
  );
}

/** Saves all entries that match as lines of JSON. */
function Export({ filter }: { readonly filter: object }): JSX.Element {
  const [read, setRead] = useState(0);
  const { error, isRunning, attempt } = useAttempt();
  const [isCut, setCut] = useState(false);
  const run = async (): Promise<void> => {
    setRead(0);
    setCut(false);
    const entries: Schema<'AuditEntry'>[] = [];
    let after: string | undefined;
    do {
      const query = { ...filter, limit: 1_000, ...(after !== undefined && { after }) };
      const page = await call('searchAudit', { query });
      entries.push(...page.items);
      after = page.next;
      setRead(entries.length);
    } while (after !== undefined && entries.length < MOST_EXPORTED);
    setCut(after !== undefined);
    const lines = entries.map((entry) => `${JSON.stringify(entry)}\n`).join('');
    saveFile('audit.jsonl', new TextEncoder().encode(lines), 'application/jsonl');
  };
  return (
    <div class="stack" role="status">
      <button type="button" disabled={isRunning} onClick={() => void attempt(run)}>
        {isRunning ? `Reading: ${read} entries` : 'Export what matches'}
      </button>
      {isCut && <p>The file has the newest {MOST_EXPORTED}. Use the command line for more.</p>}
      {error !== undefined && <Problem error={error} />}
    </div>
  );
}

function who({ actor }: EntryFacts): string {
  return actor?.id ?? actor?.kind ?? '';
}

function Outcome({ entry: { outcome = '', code } }: { readonly entry: EntryFacts }): JSX.Element {
  if (outcome === 'ok') return <State tone="good">ok</State>;
  return <State tone={outcome === 'deny' ? 'warn' : 'bad'}>{code ?? outcome}</State>;
}

function Entries({ items }: { readonly items: readonly Schema<'AuditEntry'>[] }): JSX.Element {
  return (
    <Table
      label="Entries"
      items={items}
      keyOf={({ index }) => String(index)}
      empty="No entry matches all filters."
      columns={[
        {
          title: 'Entry',
          of: ({ index }) => <a href={to(`/audit/${index}`)}>{index}</a>,
        },
        { title: 'Time', of: ({ entry }) => <Time at={(entry as EntryFacts).time} /> },
        { title: 'Action', of: ({ entry }) => (entry as EntryFacts).action },
        { title: 'Outcome', of: ({ entry }) => <Outcome entry={entry} /> },
        { title: 'Who', of: ({ entry }) => <Name>{who(entry)}</Name> },
        {
          title: 'Path',
          of: ({ entry }) => {
            const { path } = entry as EntryFacts;
            return path === undefined ? '' : <SecretLink path={path} />;
          },
        },
      ]}
    />
  );
}

/** One entry, whose inclusion in the signed log the browser verifies. */
export function EntryPage({ index }: { readonly index: string }): JSX.Element {
  const proven = useLoad(
    `entry ${index}`,
    async () => {
      const [proof, key] = await Promise.all([
        call('proveEntry', { path: { index: Number(index) } }),
        call('readLogKey'),
      ]);
      return { proof, key, verdict: await verdictOf(proof, key) };
    },
    [RECORDED],
  );
  return (
    <Page title={`Entry ${index}`}>
      <Loading of={proven}>
        {({ proof, key, verdict }) => (
          <>
            <Proof proof={proof} logKey={key} verdict={verdict} />
            <Section title="Entry" note="Every member that the log has, indented.">
              <pre class="document" tabIndex={0}>
                {unmasked(indented(proof.entry))}
              </pre>
            </Section>
          </>
        )}
      </Loading>
      <Command words={['audit', 'proof', index]} />
    </Page>
  );
}

function Proof({
  proof,
  logKey,
  verdict,
}: {
  readonly proof: Schema<'EntryProof'>;
  readonly logKey: string;
  readonly verdict: Verdict | undefined;
}): JSX.Element {
  return (
    <Section title="Proof" note="Verified by this browser, not by the broker.">
      {verdict === undefined && (
        <p role="alert">
          <State tone="warn">Not verified</State> This browser cannot verify Ed25519. Use quaymaster
          audit proof.
        </p>
      )}
      {verdict?.is === 'wrong' && (
        <p role="alert">
          <State tone="bad">Not proven</State> {verdict.why}
        </p>
      )}
      {verdict?.is === 'proven' && (
        <p role="status">
          <State tone="good">Proven</State> The signed log of {verdict.size} entries has this entry.
        </p>
      )}
      <Facts
        items={[
          ['Key of the log', <code>{logKey.trim()}</code>],
          ['Hashes of the proof', String(proof.hashes.length)],
        ]}
      />
      <p class="quiet">
        The key came from the same broker. Compare it with a copy that you trust, or with a witness.
      </p>
    </Section>
  );
}
