import { signal } from '@preact/signals';

const BASE = '/console';

/** The address without the base: the state of the page, so that each view and each filter can be shared. */
export const address = signal(read());

interface Address {
  /** `/secrets/demo/shop/db` */
  readonly path: string;
  readonly query: URLSearchParams;
}

function read(): Address {
  const path = location.pathname.slice(BASE.length) || '/';
  return { path, query: new URLSearchParams(location.search) };
}

/** The address of a view, for links. Undefined parameters are left out. */
export function to(path: string, query: Readonly<Record<string, string | undefined>> = {}): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query))
    if (value !== undefined && value !== '') search.set(name, value);
  return `${BASE}${path}${search.size > 0 ? `?${search}` : ''}`;
}

export function go(href: string, { isReplaced = false } = {}): void {
  if (isReplaced) history.replaceState(null, '', href);
  else history.pushState(null, '', href);
  address.value = read();
  if (!isReplaced) scrollTo(0, 0);
}

/** Follows links within the console without a new load of the page. */
export function startRouter(): void {
  addEventListener('popstate', () => (address.value = read()));
  document.addEventListener('click', (event) => {
    if (event.defaultPrevented || event.button !== 0) return;
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const link = (event.target as Element | null)?.closest('a');
    if (
      link === null ||
      link === undefined ||
      link.target !== '' ||
      link.origin !== location.origin
    )
      return;
    if (!link.pathname.startsWith(`${BASE}/`)) return;
    event.preventDefault();
    go(link.href);
  });
}
