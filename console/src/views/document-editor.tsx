import { useEffect, useRef, useState } from 'preact/hooks';
import { dump, load } from 'js-yaml/browser';
import type { JSX } from 'preact';
import { Action } from '../action.tsx';
import { Refusal, type Schema } from '../client.ts';
import { Diff } from '../diff.tsx';
import type { DocumentEditor } from '../editor.ts';
import { Field } from '../fields.tsx';
import { extentOf, putDocument, type Kind, type Stored } from '../kinds.ts';
import { Command, Name, Problem, Section, State } from '../parts.tsx';
import { RightsDiff } from '../rights.tsx';
import { go, to } from '../router.ts';
import { PolicyPlan } from './policy-plan.tsx';
import { Survey } from './posture.tsx';

/** The broker checks the text after this time without input. */
const PAUSE_MS = 500;

/** A document as YAML, as the editor shows it. */
export function yamlOf(document: unknown): string {
  return dump(document, { lineWidth: 100 });
}

type Check =
  | { readonly is: 'waiting' }
  | { readonly is: 'valid' }
  | { readonly is: 'refused'; readonly error: Refusal };

interface Draft {
  readonly name: string;
  readonly text: string;
  /** The version that the text replaces; undefined for a new document. */
  readonly etag: string | undefined;
}

interface EditorProps {
  readonly kind: Kind;
  /** The name of a document that exists; a new one gets its name here. */
  readonly name?: string;
  /** The version that the broker has now. */
  readonly stored?: Stored | undefined;
  readonly onClose: () => void;
}

/** Edits one document: the broker checks it as one types, and the form survives a refusal and a version of another person. */
export function EditDocument({ kind, name: given, stored, onClose }: EditorProps): JSX.Element {
  const [base, setBase] = useState(stored);
  const [name, setName] = useState(given ?? '');
  const before = base === undefined ? '' : yamlOf(base.document);
  const [text, setText] = useState(base === undefined ? kind.start : before);
  const { check, host } = useEditor(kind, { name, text, etag: base?.etag }, setText);
  const isOvertaken = stored?.etag !== base?.etag;
  const draft = { text, etag: base?.etag };
  return (
    <Section title={given === undefined ? `New ${kind.word}` : 'Edit'}>
      {given === undefined && (
        <div class="filters">
          <Field
            label={kind.word === 'definition' ? 'Path of the secret' : 'Name'}
            required
            value={name}
            onInput={setName}
          />
        </div>
      )}
      <div ref={host} class="editor" />
      <CheckResult check={check} isNamed={name !== ''} />
      {isOvertaken && stored !== undefined && (
        <Overtaken base={before} stored={stored} onContinue={() => setBase(stored)} />
      )}
      {check.is === 'valid' && <Effect kind={kind} text={text} />}
      <div class="buttons">
        <Action
          label="Save"
          operation={`put${kind.one}`}
          extent={extentOf(kind, name)}
          explanation={
            <>
              <p>
                The {kind.word} <Name>{name}</Name> gets a new version, which is in force at once.
              </p>
              {check.is === 'valid' && <Granted before={before} after={text} />}
              <Diff before={before} after={text} label="Changes" />
            </>
          }
          command={() => ['apply', '-f', 'FILE']}
          run={async () => {
            await putDocument(kind, name, draft, { isDryRun: false });
            onClose();
            go(to(`/documents/${kind.word}/${name}`));
          }}
        />
        <button type="button" onClick={onClose}>
          Cancel
        </button>
      </div>
      {given !== undefined && <Command words={[kind.word, 'get', given, '--manifest']} />}
    </Section>
  );
}

/** What the text would do to workloads that hold sessions or asked before. */
function Effect({
  kind,
  text,
}: {
  readonly kind: Kind;
  readonly text: string;
}): JSX.Element | null {
  if (kind.word === 'policy')
    return <PolicyPlan draft={() => ({ policies: [JSON.stringify(load(text))], remove: [] })} />;
  if (kind.word === 'posture-profile')
    return (
      <Survey label="Show which pods fail" profile={() => load(text) as Schema<'PostureProfile'>} />
    );
  return null;
}

/** The grants of a text. The broker accepts JSON and YAML that this page may read differently, so a text without grants shows no rights. */
function grantsOf(text: string): readonly Schema<'Grant'>[] | undefined {
  try {
    const document = load(text) as { readonly grants?: readonly Schema<'Grant'>[] } | undefined;
    return document?.grants;
  } catch {
    return undefined;
  }
}

/** The rights that a document of an operator or a role binding gives and takes. */
function Granted({
  before,
  after,
}: {
  readonly before: string;
  readonly after: string;
}): JSX.Element | null {
  const granted = grantsOf(after);
  if (granted === undefined) return null;
  return <RightsDiff before={before === '' ? [] : (grantsOf(before) ?? [])} after={granted} />;
}

/** Loads the editor into an element of the page, and lets the broker check the text after each pause. */
function useEditor(
  kind: Kind,
  draft: Draft,
  onInput: (text: string) => void,
): { readonly check: Check; readonly host: { readonly current: HTMLDivElement | null } } {
  const host = useRef<HTMLDivElement>(null);
  const editor = useRef<DocumentEditor>(undefined);
  const [checked, setChecked] = useState<Draft & { readonly check: Check }>();
  const { name, text, etag } = draft;
  useEffect(() => {
    let isCurrent = true;
    void import('../editor.ts').then(({ createEditor }) => {
      if (!isCurrent) return;
      const created = createEditor();
      created.begin(text, `Text of the ${kind.word}`, onInput);
      created.completeBy(kind.schema).catch(() => undefined);
      editor.current = created;
      host.current?.replaceChildren(created);
    });
    return () => (isCurrent = false);
  }, []);
  useEffect(() => {
    if (name === '') return undefined;
    let isCurrent = true;
    const settle = (result: Check): void => {
      if (!isCurrent) return;
      setChecked({ name, text, etag, check: result });
      editor.current?.mark(result.is === 'refused' ? result.error.problems : []);
    };
    const timer = setTimeout(() => {
      putDocument(kind, name, { text, etag }, { isDryRun: true }).then(
        () => settle({ is: 'valid' }),
        (thrown: unknown) => settle({ is: 'refused', error: Refusal.from(thrown) }),
      );
    }, PAUSE_MS);
    return () => {
      isCurrent = false;
      clearTimeout(timer);
    };
  }, [name, text, etag]);
  // The answer about another text says nothing about this one, which may be no YAML.
  const isOfDraft = checked?.name === name && checked.text === text && checked.etag === etag;
  return { check: isOfDraft ? checked.check : { is: 'waiting' }, host };
}

function CheckResult({
  check,
  isNamed,
}: {
  readonly check: Check;
  readonly isNamed: boolean;
}): JSX.Element {
  if (!isNamed) return <p class="quiet">Type the name: the broker then checks the text.</p>;
  if (check.is === 'waiting')
    return (
      <p class="quiet" role="status">
        Checking…
      </p>
    );
  if (check.is === 'valid')
    return (
      <p role="status">
        <State tone="good">The broker would accept it</State>
      </p>
    );
  const { problems } = check.error;
  if (problems.length === 0) return <Problem error={check.error} />;
  return (
    <ul class="diff" aria-label="Faults">
      {problems.map(({ pointer, message, line, column }) => (
        <li key={`${pointer} ${message}`}>
          <State tone="bad">
            {line === undefined ? '' : `line ${line}, column ${column ?? 1}: `}
          </State>
          <bdi>
            <code>{pointer}</code> {message}
          </bdi>
        </li>
      ))}
    </ul>
  );
}

/** Another person wrote a version while this one typed: the text stays, and the page shows what the other one changed. */
function Overtaken({
  base,
  stored,
  onContinue,
}: {
  readonly base: string;
  readonly stored: Stored;
  readonly onContinue: () => void;
}): JSX.Element {
  return (
    <div class="notice" role="alert">
      <p>
        <State tone="warn">Version {String(stored.version)} was written while you typed</State> by{' '}
        <Name>{stored.updatedBy}</Name>. What you typed stays. Take over these changes where you
        need them, then continue.
      </p>
      <Diff before={base} after={yamlOf(stored.document)} label="Changes of the other person" />
      <button type="button" onClick={onContinue}>
        Continue from version {stored.version}
      </button>
    </div>
  );
}
