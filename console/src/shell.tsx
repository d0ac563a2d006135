import { useEffect, useRef } from 'preact/hooks';
import type { JSX } from 'preact';
import { Boundary } from './boundary.tsx';
import { now } from './clock.ts';
import { lazy } from './lazy.tsx';
import { isLive } from './live.ts';
import { useLoad } from './load.ts';
import { Login } from './login.tsx';
import { Page } from './parts.tsx';
import { address, to } from './router.ts';
import { openSearch, Search } from './search.tsx';
import {
  isOnline,
  isOutdated,
  isPerson,
  refreshRights,
  session,
  signOut,
  WARNING_MS,
  type SessionState,
} from './session.ts';
import { Confirmed } from './step-up.tsx';
import { ApprovalList, ApprovalPage } from './views/approvals.tsx';
import { Audit, EntryPage } from './views/audit.tsx';
import { Home } from './views/home.tsx';
import { RotationPage, Rotations } from './views/rotations.tsx';
import { SecretPage } from './views/secret.tsx';
import { Secrets } from './views/secrets.tsx';

const NAVIGATION = [
  ['/', 'Home'],
  ['/secrets/', 'Secrets'],
  ['/workloads', 'Workloads'],
  ['/rotations', 'Rotations'],
  ['/leases', 'Leases'],
  ['/incidents', 'Incidents'],
  ['/approvals', 'Approvals'],
  ['/documents', 'Documents'],
  ['/posture', 'Posture'],
  ['/audit', 'Audit'],
  ['/access', 'Access'],
  ['/system', 'System'],
] as const;

const Workloads = lazy(async () => (await import('./views/workloads.tsx')).Workloads);
const Incidents = lazy(async () => (await import('./views/incidents.tsx')).Incidents);
const Leases = lazy(async () => (await import('./views/leases.tsx')).Leases);
const Compliance = lazy(async () => (await import('./views/compliance.tsx')).Compliance);
const Documents = lazy(async () => (await import('./views/documents.tsx')).Documents);
const Access = lazy(async () => (await import('./views/access.tsx')).Access);
const System = lazy(async () => (await import('./views/system.tsx')).System);
const Posture = lazy(async () => (await import('./views/posture.tsx')).Posture);

/** The view of each first part of a path: without more it is a list, with more one of its things. */
const VIEWS: Readonly<
  Record<string, { readonly all: () => JSX.Element; readonly one?: (rest: string) => JSX.Element }>
> = {
  '': { all: () => <Home /> },
  secrets: {
    all: () => <Secrets prefix="" />,
    one: (rest) =>
      rest.endsWith('/') ? (
        <Secrets prefix={rest.slice(0, -1)} />
      ) : (
        <SecretPage key={rest} path={rest} />
      ),
  },
  workloads: {
    all: () => <Workloads rest="" />,
    one: (rest) => <Workloads key={rest} rest={rest} />,
  },
  rotations: { all: () => <Rotations />, one: (rest) => <RotationPage key={rest} path={rest} /> },
  incidents: {
    all: () => <Incidents rest="" />,
    one: (rest) => <Incidents key={rest} rest={rest} />,
  },
  leases: { all: () => <Leases rest="" /> },
  audit: {
    all: () => <Audit />,
    one: (rest) =>
      rest === 'compliance' ? <Compliance rest="" /> : <EntryPage key={rest} index={rest} />,
  },
  approvals: { all: () => <ApprovalList />, one: (rest) => <ApprovalPage key={rest} id={rest} /> },
  documents: {
    all: () => <Documents rest="" />,
    one: (rest) => <Documents rest={rest} />,
  },
  posture: { all: () => <Posture rest="" /> },
  access: { all: () => <Access rest="" />, one: (rest) => <Access rest={rest} /> },
  system: { all: () => <System rest="" /> },
  confirmed: { all: () => <Confirmed /> },
};

/** The view of a path; undefined for an address without one. */
function viewOf(path: string): JSX.Element | undefined {
  const [, name = '', rest = ''] = /^\/([a-z]*)\/?(.*)$/.exec(path) ?? [];
  const view = Object.hasOwn(VIEWS, name) ? VIEWS[name] : undefined;
  return rest === '' ? view?.all() : view?.one?.(rest);
}

export function Shell(): JSX.Element {
  const state = session.value;
  const { path } = address.value;
  return (
    <>
      <a class="skip" href="#main">
        Skip to the content
      </a>
      <Banners state={state} />
      {state.is === 'unknown' && <Waiting />}
      {state.is === 'signed-out' && <Login notice={state.notice} />}
      {state.is === 'signed-in' && (
        <div class="frame">
          <Sidebar operator={state.own.operator} isOfPerson={isPerson(state.own)} path={path} />
          <Boundary path={path}>
            {viewOf(path) ?? <NoView />}
            <Search />
          </Boundary>
        </div>
      )}
    </>
  );
}

function Waiting(): JSX.Element {
  return (
    <main id="main" class="login">
      <p class="quiet" role="status">
        Loading…
      </p>
    </main>
  );
}

function NoView(): JSX.Element {
  return (
    <Page title="No such page">
      <p>
        The console has no page at this address. <a href={to('/')}>Home</a>
      </p>
    </Page>
  );
}

interface SidebarProps {
  readonly operator: string;
  readonly isOfPerson: boolean;
  readonly path: string;
}

function Sidebar({ operator, isOfPerson, path }: SidebarProps): JSX.Element {
  const views = useRef<HTMLElement>(null);
  useLoad('rights', refreshRights, ['approval', 'document']);
  // On a phone the views are one line that scrolls.
  useEffect(() => {
    const { current: line } = views;
    const current = line?.querySelector<HTMLElement>('[aria-current]');
    if (line === null || current === undefined || current === null) return;
    line.scrollLeft = current.offsetLeft - line.clientWidth / 2;
  }, [path]);
  return (
    <header class="side">
      <a class="brand" href={to('/')}>
        Quaymaster
      </a>
      <button type="button" class="find" onClick={openSearch} aria-keyshortcuts="/ Control+K">
        Search <kbd aria-hidden="true">/</kbd>
      </button>
      <nav aria-label="Views" ref={views}>
        <ul>
          {NAVIGATION.map(([target, name]) => (
            <li key={target}>
              <a href={to(target)} aria-current={isAt(path, target) ? 'page' : undefined}>
                {name}
              </a>
            </li>
          ))}
        </ul>
      </nav>
      <Account operator={operator} isOfPerson={isOfPerson} />
    </header>
  );
}

function isAt(path: string, target: string): boolean {
  return target === '/' ? path === '/' : `${path}/`.startsWith(target.replace(/\/?$/, '/'));
}

/** The menu closes by a click beside it or the escape key, as the browser does it for a popover. */
function Account({ operator, isOfPerson }: Omit<SidebarProps, 'path'>): JSX.Element {
  return (
    <div class="account">
      <button type="button" popovertarget="account">
        <bdi>{operator}</bdi>
      </button>
      <div id="account" popover="auto">
        <button type="button" onClick={() => void signOut()}>
          Sign out
        </button>
        {isOfPerson && (
          <button type="button" onClick={() => void signOut({ everywhere: true })}>
            Sign out everywhere
          </button>
        )}
      </div>
    </div>
  );
}

function Banners({ state }: { readonly state: SessionState }): JSX.Element {
  const left = state.is === 'signed-in' ? state.endsAt - now.value : Number.POSITIVE_INFINITY;
  return (
    <div class="banners" role="status">
      {!isOnline.value && (
        <p class="banner bad">
          The broker does not answer. The page shows what it knew last, and tries again.
        </p>
      )}
      {isOnline.value && state.is === 'signed-in' && !isLive.value && (
        <p class="banner warn">
          Live updates are interrupted. The page loads again every 15 seconds.
        </p>
      )}
      {isOutdated.value && (
        <p class="banner warn">
          The broker was updated. This page is of the build before it.{' '}
          <button type="button" class="small" onClick={() => location.reload()}>
            Load the new page
          </button>
        </p>
      )}
      {left < WARNING_MS && (
        <p class="banner warn">
          Your session ends in {Math.max(1, Math.round(left / 60_000))} min. Sign in again to go on.
        </p>
      )}
    </div>
  );
}
