import { effect, signal } from '@preact/signals';
import { useEffect, useState } from 'preact/hooks';
import { Refusal } from './client.ts';
import { isOnline, onSignOut, sessionEnded } from './session.ts';

/** Views load again after this time while they are visible. */
const REFRESH_MS = 15_000;

export type Loaded<T> =
  | { readonly is: 'loading' }
  | { readonly is: 'loaded'; readonly data: T; readonly isStale: boolean }
  | { readonly is: 'refused'; readonly error: Refusal };

/** Answers that a view showed last, so that a return to it shows them at once. No answer with a value of a secret is here. */
const kept = new Map<string, unknown>();
const MOST_KEPT = 100;
/** Grows when everything on the page should load again. */
const round = signal(0);

onSignOut(() => kept.clear());

/** Loads everything that the page shows again, for example after an action. */
export function reload(): void {
  round.value += 1;
}

export function startRefreshing(): void {
  setInterval(() => {
    if (document.visibilityState === 'visible') reload();
  }, REFRESH_MS);
  addEventListener('focus', reload);
  addEventListener('online', reload);
}

/** Loads data for a view. `key` names it: another key begins with nothing, the same key shows what was there while it loads again. */
export function useLoad<T>(key: string, load: () => Promise<T>): Loaded<T> {
  const [state, setState] = useState<{ readonly key: string; readonly loaded: Loaded<T> }>({
    key,
    loaded: remembered(key),
  });
  useEffect(() => {
    let isCurrent = true;
    const run = async (): Promise<void> => {
      try {
        const data = await load();
        remember(key, data);
        if (isCurrent) setState({ key, loaded: { is: 'loaded', data, isStale: false } });
      } catch (thrown) {
        const error = thrown instanceof Refusal ? thrown : new Refusal(0, {});
        if (error.isSignedOut) sessionEnded();
        if (!isCurrent) return;
        const before = remembered<T>(key);
        // A broker that does not answer for a moment does not empty the page.
        const isBrief = error.status === 0 || error.status === 429 || error.status >= 500;
        setState({
          key,
          loaded: isBrief && before.is === 'loaded' ? before : { is: 'refused', error },
        });
      }
    };
    let first = true;
    const stop = effect(() => {
      const again = round.value;
      if (first || again > 0) void run();
      first = false;
    });
    return () => {
      isCurrent = false;
      stop();
    };
  }, [key]);
  return state.key === key ? state.loaded : remembered(key);
}

function remember(key: string, data: unknown): void {
  kept.delete(key);
  kept.set(key, data);
  const [oldest] = kept.keys();
  if (kept.size > MOST_KEPT && oldest !== undefined) kept.delete(oldest);
}

function remembered<T>(key: string): Loaded<T> {
  if (!kept.has(key)) return { is: 'loading' };
  return { is: 'loaded', data: kept.get(key) as T, isStale: !isOnline.value };
}
