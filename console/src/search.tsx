import { signal } from '@preact/signals';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { JSX } from 'preact';
import { forgetPeople, loadNames, lookUp, type Found } from './finders.ts';
import { RECORDED, useLoad, useSettled, type Loaded } from './load.ts';
import { go, to } from './router.ts';
import { onSignOut } from './session.ts';

const isOpen = signal(false);
const MOST_SHOWN = 12;

onSignOut(() => (isOpen.value = false));

export function openSearch(): void {
  forgetPeople();
  isOpen.value = true;
}

addEventListener('keydown', (event) => {
  const isShortcut = event.key === 'k' && (event.ctrlKey || event.metaKey);
  const isTyping =
    event.target instanceof HTMLElement && event.target.matches('input, textarea, select');
  if (!isShortcut && (event.key !== '/' || isTyping)) return;
  event.preventDefault();
  openSearch();
});

const VIEWS: readonly Found[] = [
  { kind: 'page', name: 'Home', href: to('/') },
  { kind: 'page', name: 'Secrets', href: to('/secrets/') },
  { kind: 'page', name: 'Workloads', href: to('/workloads') },
  { kind: 'page', name: 'Rotations', href: to('/rotations') },
  { kind: 'page', name: 'Incidents and alerts', href: to('/incidents') },
  { kind: 'page', name: 'Leases', href: to('/leases') },
  { kind: 'page', name: 'Approvals', href: to('/approvals') },
  { kind: 'page', name: 'Documents', href: to('/documents') },
  { kind: 'page', name: 'Posture', href: to('/posture') },
  { kind: 'page', name: 'Audit log', href: to('/audit') },
  { kind: 'page', name: 'Access', href: to('/access') },
  { kind: 'page', name: 'System', href: to('/system') },
];

function keyOf({ href, name }: Found): string {
  return href + name;
}

function itemsOf(found: Loaded<readonly Found[]>): readonly Found[] {
  return found.is === 'loaded' ? found.data : [];
}

/** Names that have all words of the text; those that begin with it come first. */
function matching(all: readonly Found[], text: string): readonly Found[] {
  const words = text
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== '');
  const unique = new Map(all.map((each) => [keyOf(each), each]));
  const found = [...unique.values()].filter(({ name, kind }) =>
    words.every((word) => name.toLowerCase().includes(word) || kind === word),
  );
  const [first = ''] = words;
  const rank = ({ name }: Found): number => (name.toLowerCase().startsWith(first) ? 0 : 1);
  return found.sort((a, b) => rank(a) - rank(b)).slice(0, MOST_SHOWN);
}

export function Search(): JSX.Element | null {
  return isOpen.value ? <Palette /> : null;
}

function Palette(): JSX.Element {
  const dialog = useRef<HTMLDialogElement>(null);
  const [text, setText] = useState('');
  const [choice, setChoice] = useState<string>();
  const names = useLoad('search', loadNames, []);
  const typed = text.trim();
  const settled = useSettled(typed);
  const more = useLoad(`search ${settled}`, () => lookUp(settled), [RECORDED]);
  const isLooking = typed !== settled || names.is === 'loading' || more.is === 'loading';
  const found = matching([...VIEWS, ...itemsOf(names), ...itemsOf(more)], typed);
  // Results that arrive late must not move the choice to another one.
  const at = Math.max(
    0,
    found.findIndex((each) => keyOf(each) === choice),
  );
  useEffect(() => dialog.current?.showModal(), []);
  const close = (): void => {
    isOpen.value = false;
  };
  const move = (event: KeyboardEvent): void => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step !== undefined && found.length > 0) {
      event.preventDefault();
      const next = found[(at + step + found.length) % found.length];
      setChoice(next && keyOf(next));
    }
  };
  const chosen = found[at];
  return (
    <dialog ref={dialog} class="palette" aria-label="Search" onClose={close}>
      <search>
        <form
          onSubmit={(event) => {
            event.preventDefault();
            if (chosen === undefined) return;
            close();
            go(chosen.href);
          }}
        >
          <input
            type="text"
            role="combobox"
            aria-label="Search"
            aria-expanded="true"
            aria-controls="found"
            aria-activedescendant={chosen === undefined ? undefined : `found-${at}`}
            placeholder="Name, id, entry or digest"
            value={text}
            autocomplete="off"
            spellcheck={false}
            // The dialog gives the focus to its first field.
            autofocus
            onInput={(event) => {
              setText(event.currentTarget.value);
              setChoice(undefined);
            }}
            onKeyDown={move}
          />
        </form>
        <div id="found" class="found" role="listbox" aria-label="Results">
          {found.map(({ kind, name, href }, index) => (
            <a
              key={href + name}
              id={`found-${index}`}
              href={href}
              role="option"
              aria-selected={index === at}
              tabIndex={-1}
              onClick={close}
            >
              <bdi>{name}</bdi> <span class="quiet">{kind}</span>
            </a>
          ))}
        </div>
        {found.length === 0 && (
          <p class="empty quiet" role="status">
            {isLooking ? 'Looking…' : 'Nothing that you may list has this name.'}
          </p>
        )}
      </search>
    </dialog>
  );
}
