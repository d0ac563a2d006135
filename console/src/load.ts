import { useEffect, useState } from 'preact/hooks';
import { Refusal } from './client.ts';
import { isLive, onChange, type Change } from './live.ts';
import { isOnline, onSignOut, sessionEnded } from './session.ts';

/** Time after which visible views load again if there is no stream of changes. */
const REFRESH_MS = 15_000;
/** A search begins after this time without input: each one is a request, which the broker records. */
const PAUSE_MS = 400;
/** A view loads at most this often, however much changes. */
const PACE_MS = 1_000;

export type Loaded<T> =
  | { readonly is: 'loading' }
  | { readonly is: 'loaded'; readonly data: T; readonly isStale: boolean }
  | { readonly is: 'refused'; readonly error: Refusal };

/** Answers that a view showed last, so that a return to it shows them at once. No answer with a value of a secret is here. */
const kept = new Map<string, unknown>();
const MOST_KEPT = 100;
/** Things whose changes a view waits for: `secret`, or `secret:demo/shop/db` for one of them. `beat` stands for what the broker does not announce. */
export type Topic = string;
/** Topic of a search that the broker records: it is repeated if one of the other topics changed or changes were missed, and otherwise only on request. */
export const RECORDED = 'recorded';

interface Watch {
  readonly topics: readonly Topic[];
  readonly load: () => void;
}

const watches = new Set<Watch>();
/** Grows at each sign-out: an answer to the operator before is not kept for the next one. */
let epoch = 0;

onSignOut(() => {
  epoch += 1;
  kept.clear();
});

/** Loads what the page shows again, for example after an action, but repeats no recorded search. */
export function reload(): void {
  loadAbout(({ topics }) => !topics.includes(RECORDED));
}

export function startRefreshing(): void {
  onChange((changes) => {
    if (changes === 'all') loadAbout(() => true);
    else if (changes === 'ready') reload();
    else if (changes === 'beat') loadAbout(({ topics }) => topics.includes('beat'));
    else loadAbout(({ topics }) => changes.some((change) => concerns(topics, change)));
  });
  setInterval(() => {
    if (document.visibilityState === 'visible' && !isLive.value) reload();
  }, REFRESH_MS);
  addEventListener('focus', reload);
  addEventListener('online', reload);
}

function loadAbout(isConcerned: (watch: Watch) => boolean): void {
  for (const watch of watches) if (isConcerned(watch)) watch.load();
}

function concerns(topics: readonly Topic[], { kind, id }: Change): boolean {
  return topics.some(
    (topic) =>
      topic === kind ||
      (id === undefined ? topic.startsWith(`${kind}:`) : topic === `${kind}:${id}`),
  );
}

/**
 * Loads data for a view, and again when one of `topics` changed. `key` names it: another key begins with nothing, the same key shows what was there while it loads
 * again.
 */
export function useLoad<T>(
  key: string,
  load: () => Promise<T>,
  topics: readonly Topic[],
): Loaded<T> {
  const [state, setState] = useState<{ readonly key: string; readonly loaded: Loaded<T> }>({
    key,
    loaded: remembered(key),
  });
  useEffect(() => {
    let isCurrent = true;
    let runs = 0;
    let settledRun = 0;
    const run = async (): Promise<void> => {
      const [began, own] = [epoch, (runs += 1)];
      /** An answer may arrive after that of a later request, or after the sign-out. */
      const isOvertaken = (): boolean => {
        if (began !== epoch || own < settledRun) return true;
        settledRun = own;
        return false;
      };
      try {
        const data = await load();
        if (isOvertaken()) return;
        remember(key, data);
        if (isCurrent) setState({ key, loaded: { is: 'loaded', data, isStale: false } });
      } catch (thrown) {
        if (isOvertaken()) return;
        const error = Refusal.from(thrown);
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
    let timer: ReturnType<typeof setTimeout> | undefined;
    let ranAt = 0;
    const runPaced = (): void => {
      timer ??= setTimeout(
        () => {
          timer = undefined;
          ranAt = Date.now();
          void run();
        },
        Math.max(0, ranAt + PACE_MS - Date.now()),
      );
    };
    const watch = { topics, load: runPaced };
    watches.add(watch);
    void run();
    return () => {
      isCurrent = false;
      clearTimeout(timer);
      watches.delete(watch);
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

/** The text after a pause in typing. */
export function useSettled(text: string): string {
  const [settled, setSettled] = useState(text);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(text), PAUSE_MS);
    return () => clearTimeout(timer);
  }, [text]);
  return settled;
}
