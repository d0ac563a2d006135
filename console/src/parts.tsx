import { useEffect, useState } from 'preact/hooks';
import { Fragment, type ComponentChildren, type JSX } from 'preact';
import { Refusal } from './client.ts';
import { exactTime, quoted, relativeTime } from './format.ts';
import type { Loaded } from './load.ts';

type Children = { readonly children?: ComponentChildren };

/** A state by shape, word and colour. */
export type Tone = 'good' | 'info' | 'warn' | 'bad' | 'off';
const SHAPES: Readonly<Record<Tone, string>> = {
  good: '●',
  info: '◆',
  warn: '▲',
  bad: '■',
  off: '○',
};

export function State({ tone, children }: { readonly tone: Tone } & Children): JSX.Element {
  return (
    <span class={`state ${tone}`}>
      <span aria-hidden="true">{SHAPES[tone]}</span> {children}
    </span>
  );
}

export function Time({ at }: { readonly at: string | undefined }): JSX.Element {
  if (at === undefined) return <span class="quiet">never</span>;
  const ms = Date.parse(at);
  if (Number.isNaN(ms)) return <bdi>{at}</bdi>;
  return (
    <time dateTime={at} title={exactTime(ms)}>
      {relativeTime(ms)}
    </time>
  );
}

interface PageProps extends Children {
  readonly title: string;
  /** The title on the page, if it is more than text. */
  readonly heading?: ComponentChildren;
  readonly aside?: ComponentChildren;
}

export function Page({ title, heading, aside, children }: PageProps): JSX.Element {
  useEffect(() => {
    document.title = `${title} · Quaymaster`;
  }, [title]);
  return (
    <main id="main" tabIndex={-1}>
      <header class="page-head">
        <h1>{heading ?? title}</h1>
        {aside}
      </header>
      {children}
    </main>
  );
}

interface SectionProps extends Children {
  readonly title: string;
  readonly note?: ComponentChildren;
}

export function Section({ title, note, children }: SectionProps): JSX.Element {
  const id = `section-${title.toLowerCase().replaceAll(/\W+/g, '-')}`;
  return (
    <section aria-labelledby={id}>
      <header class="section-head">
        <h2 id={id}>{title}</h2>
        {note !== undefined && <p class="quiet">{note}</p>}
      </header>
      {children}
    </section>
  );
}

/** Shows data in each of its states: loading, refused, loaded. */
export function Loading<T>({
  of,
  children,
}: {
  readonly of: Loaded<T>;
  readonly children: (data: T) => ComponentChildren;
}): JSX.Element {
  if (of.is === 'loading') {
    return (
      <p class="quiet loading" role="status">
        Loading…
      </p>
    );
  }
  if (of.is === 'refused') return <Problem error={of.error} />;
  return <>{children(of.data)}</>;
}

/** Loads the next page of a list that has more. */
export function More({
  isWhole,
  load,
}: {
  readonly isWhole: boolean;
  readonly load: () => void;
}): JSX.Element | null {
  if (isWhole) return null;
  return (
    <button type="button" onClick={load}>
      Load more
    </button>
  );
}

/** A refusal, in the words of the broker: the same that the command line prints. */
export function Problem({ error }: { readonly error: Refusal }): JSX.Element {
  const isDenied = error.status === 403;
  return (
    <div class={`problem ${isDenied ? 'off' : 'bad'}`} role={isDenied ? 'note' : 'alert'}>
      <p>
        <State tone={isDenied ? 'off' : 'bad'}>
          {isDenied ? 'Not available to you' : 'Failed'}
        </State>
      </p>
      <p>{error.message}</p>
      {error.requestId !== undefined && !isDenied && (
        <p class="quiet">
          Code <code>{error.code}</code>, request <code>{error.requestId}</code>
        </p>
      )}
    </div>
  );
}

export function Empty({ children }: Children): JSX.Element {
  return <p class="empty quiet">{children}</p>;
}

interface Column<T> {
  readonly title: string;
  readonly of: (item: T) => ComponentChildren;
  readonly isNumber?: boolean;
}

export interface TableProps<T> {
  readonly label: string;
  readonly items: readonly T[];
  readonly columns: readonly Column<T>[];
  readonly keyOf: (item: T) => string;
  /** The text of a table without rows. */
  readonly empty: ComponentChildren;
  /** A class of the style, if the widths of the columns are not those of their content. */
  readonly layout?: 'report';
}

/** A table; on a narrow screen each row becomes a small list with the titles of the columns. */
export function Table<T>({
  label,
  items,
  columns,
  keyOf,
  empty,
  layout,
}: TableProps<T>): JSX.Element {
  if (items.length === 0) return <Empty>{empty}</Empty>;
  return (
    <table aria-label={label} class={layout}>
      <thead>
        <tr>
          {columns.map(({ title, isNumber }) => (
            <th key={title} scope="col" class={isNumber === true ? 'number' : undefined}>
              {title}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {items.map((item) => (
          <tr key={keyOf(item)}>
            {columns.map(({ title, of, isNumber }) => (
              <td key={title} data-title={title} class={isNumber === true ? 'number' : undefined}>
                {of(item)}
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

interface ListProps<T> extends Omit<TableProps<T>, 'items'> {
  readonly loaded: Loaded<{ readonly items: readonly T[]; readonly isWhole?: boolean }>;
  /** Loads the next page. */
  readonly more?: () => void;
}

/** A list of the broker in each of its states: its table, and a button for what the broker has beyond. */
export function List<T>({ loaded, more, ...table }: ListProps<T>): JSX.Element {
  return (
    <Loading of={loaded}>
      {({ items, isWhole = true }) => (
        <>
          <Table items={items} {...table} />
          {more !== undefined && <More isWhole={isWhole} load={more} />}
        </>
      )}
    </Loading>
  );
}

/** The command that does or shows the same, to copy. */
export function Command({ words }: { readonly words: readonly string[] }): JSX.Element {
  const all = ['quaymaster', ...words.map(quoted)];
  const text = all.join(' ');
  return (
    <p class="command">
      <code>
        {all.map((word, index) => (
          <Fragment key={index}>
            {index > 0 && ' '}
            <span>{word}</span>
          </Fragment>
        ))}
      </code>{' '}
      <Copy text={() => Promise.resolve(text)} label="Copy" subject="the command" />
    </p>
  );
}

/** Copies a text that never becomes part of the page. */
export function Copy({
  text,
  label,
  subject,
}: {
  readonly text: () => Promise<string>;
  readonly label: string;
  /** What is copied, for people who do not see what is beside the button. */
  readonly subject?: string;
}): JSX.Element {
  const [said, setSaid] = useState<string>();
  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(await text());
      setSaid('Copied');
    } catch (error) {
      setSaid(error instanceof Refusal ? error.message : 'The browser did not allow it');
    }
    setTimeout(() => setSaid(undefined), 2_000);
  };
  return (
    <button type="button" class="small" onClick={() => void copy()}>
      <span aria-live="polite">{said ?? label}</span>
      {said === undefined && subject !== undefined && <span class="unseen"> {subject}</span>}
    </button>
  );
}

/** Names and values in two columns. */
export function Facts({
  items,
}: {
  readonly items: readonly (readonly [string, ComponentChildren])[];
}): JSX.Element {
  return (
    <dl class="facts">
      {items.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

/** Texts of the broker or of others, each on a line of its own. */
export function Lines({
  items,
  isPlain = false,
}: {
  readonly items: readonly string[];
  /** Shows no bullets. */
  readonly isPlain?: boolean;
}): JSX.Element | null {
  if (items.length === 0) return null;
  return (
    <ul class={isPlain ? 'plain' : 'lines'}>
      {items.map((item) => (
        <li key={item}>
          <bdi>{item}</bdi>
        </li>
      ))}
    </ul>
  );
}

/** A name of another system or person: isolated, so that its direction cannot reorder the text around it. */
export function Name({ children }: { readonly children: string }): JSX.Element {
  return <bdi class="name">{children}</bdi>;
}
