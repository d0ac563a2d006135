import { useEffect, useRef, useState } from 'preact/hooks';
import type { ComponentChildren, JSX } from 'preact';
import { Refusal } from './client.ts';
import { exactTime, quoted, relativeTime } from './format.ts';
import { reload, type Loaded } from './load.ts';

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

interface TableProps<T> {
  readonly label: string;
  readonly items: readonly T[];
  readonly columns: readonly Column<T>[];
  readonly keyOf: (item: T) => string;
  /** The text of a table without rows. */
  readonly empty: ComponentChildren;
}

/** A table; on a narrow screen each row becomes a small list with the titles of the columns. */
export function Table<T>({ label, items, columns, keyOf, empty }: TableProps<T>): JSX.Element {
  if (items.length === 0) return <Empty>{empty}</Empty>;
  return (
    <table aria-label={label}>
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

/** The command that does or shows the same, to copy. */
export function Command({ words }: { readonly words: readonly string[] }): JSX.Element {
  const text = ['quaymaster', ...words.map(quoted)].join(' ');
  return (
    <p class="command">
      <code>{text}</code>{' '}
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

interface ActionProps {
  /** The words of the button, and the title of its dialog. */
  readonly label: string;
  readonly isDangerous?: boolean;
  /** What will happen, with names and counts. */
  readonly explanation: ComponentChildren;
  /** The field for a reason; required for most actions. */
  readonly reason?: 'required' | 'optional';
  readonly command: (reason: string) => readonly string[];
  readonly run: (reason: string) => Promise<unknown>;
}

/** A button whose dialog says what happens before it happens. If the broker refuses, the dialog keeps what was typed. */
export function Action(props: ActionProps): JSX.Element {
  const { label, isDangerous = false, explanation, reason: need, command, run } = props;
  const dialog = useRef<HTMLDialogElement>(null);
  const [reason, setReason] = useState('');
  const [error, setError] = useState<Refusal>();
  const [isRunning, setRunning] = useState(false);
  const submit = async (): Promise<void> => {
    setRunning(true);
    setError(undefined);
    try {
      await run(reason);
      dialog.current?.close();
      setReason('');
      reload();
    } catch (thrown) {
      setError(thrown instanceof Refusal ? thrown : new Refusal(0, {}));
    }
    setRunning(false);
  };
  const id = `action-${label.toLowerCase().replaceAll(/\W+/g, '-')}`;
  return (
    <>
      <button
        type="button"
        class={isDangerous ? 'danger' : undefined}
        onClick={() => dialog.current?.showModal()}
      >
        {label}
      </button>
      <dialog ref={dialog} aria-labelledby={id}>
        <form
          onSubmit={(event) => {
            event.preventDefault();
            void submit();
          }}
        >
          <h2 id={id}>{label}</h2>
          <div class="prose">{explanation}</div>
          {need !== undefined && (
            <label>
              Reason{need === 'optional' ? ' (optional)' : ''}
              <input
                name="reason"
                maxLength={1024}
                required={need === 'required'}
                value={reason}
                onInput={(event) => setReason(event.currentTarget.value)}
                autocomplete="off"
              />
            </label>
          )}
          <Command words={command(reason === '' ? 'REASON' : reason)} />
          {error !== undefined && <Problem error={error} />}
          <footer>
            <button type="button" onClick={() => dialog.current?.close()}>
              Cancel
            </button>
            <button class={isDangerous ? 'danger primary' : 'primary'} disabled={isRunning}>
              {isRunning ? 'Working…' : label}
            </button>
          </footer>
        </form>
      </dialog>
    </>
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

/** A name of another system or person: isolated, so that its direction cannot reorder the text around it. */
export function Name({ children }: { readonly children: string }): JSX.Element {
  return <bdi class="name">{children}</bdi>;
}
