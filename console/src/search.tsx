import { signal } from '@preact/signals';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { JSX } from 'preact';
import { call } from './client.ts';
import { workloadPath } from './format.ts';
import { useLoad } from './load.ts';
import { go, to } from './router.ts';
import { onSignOut } from './session.ts';

interface Found {
  readonly kind: string;
  readonly name: string;
  readonly href: string;
}

const isOpen = signal(false);
const MOST_SHOWN = 12;
const PAGE = 1_000;

onSignOut(() => (isOpen.value = false));

export function openSearch(): void {
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
  { kind: 'page', name: 'Audit log', href: to('/audit') },
];

/** Loads the names that the caller may list. A list that is refused gives nothing: its view says why. */
async function loadNames(): Promise<readonly Found[]> {
  const none = { items: [] };
  const [secrets, sessions, alerts] = await Promise.all([
    call('listSecrets', { query: { limit: PAGE } }).catch(() => none),
    call('listSessions', { query: { limit: PAGE } }).catch(() => none),
    call('listAlerts', { query: { limit: 100 } }).catch(() => none),
  ]);
  const workloads = new Set(sessions.items.map(({ workload }) => workload));
  const pods = sessions.items.flatMap(({ pod, workload }) =>
    pod === undefined
      ? []
      : { kind: 'pod', name: pod.name, href: to(`/workloads/${workloadPath(workload)}`) },
  );
  return [
    ...VIEWS,
    ...secrets.items.map(({ path }) => ({
      kind: 'secret',
      name: path,
      href: to(`/secrets/${path}`),
    })),
    ...[...workloads].map((name) => ({
      kind: 'workload',
      name,
      href: to(`/workloads/${workloadPath(name)}`),
    })),
    ...new Map(pods.map((each) => [each.name, each])).values(),
    ...alerts.items.map(({ id, rule }) => ({
      kind: 'alert',
      name: `${rule} ${id}`,
      href: to(`/incidents/${id}`),
    })),
  ];
}

/** Names that have all words of the text; those that begin with it come first. */
function matching(all: readonly Found[], text: string): readonly Found[] {
  const words = text
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== '');
  const found = all.filter(({ name, kind }) =>
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
  const [at, setAt] = useState(0);
  const names = useLoad('search', loadNames, []);
  const found = matching(names.is === 'loaded' ? names.data : VIEWS, text);
  useEffect(() => dialog.current?.showModal(), []);
  const close = (): void => {
    isOpen.value = false;
  };
  const move = (event: KeyboardEvent): void => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step !== undefined && found.length > 0) {
      event.preventDefault();
      setAt((at + step + found.length) % found.length);
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
            aria-label="Search secrets, workloads, pods and alerts"
            aria-expanded="true"
            aria-controls="found"
            aria-activedescendant={chosen === undefined ? undefined : `found-${at}`}
            placeholder="Search secrets, workloads, pods, alerts"
            value={text}
            autocomplete="off"
            spellcheck={false}
            // The dialog gives the focus to its first field.
            autofocus
            onInput={(event) => {
              setText(event.currentTarget.value);
              setAt(0);
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
            Nothing that you may list has this name.
          </p>
        )}
      </search>
    </dialog>
  );
}
