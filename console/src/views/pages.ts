import { useEffect, useState } from 'preact/hooks';
import { Refusal } from '../client.ts';
import { useLoad, type Loaded, type Topic } from '../load.ts';

interface ListPage<T> {
  readonly items: readonly T[];
  readonly next?: string;
}

type Fetch<T> = (after: { readonly after?: string }) => Promise<ListPage<T>>;

interface Pages<T> {
  readonly loaded: Loaded<{ readonly items: readonly T[]; readonly isWhole: boolean }>;
  readonly more: () => void;
}

/** A list by the cursors of the broker. The first page stays current; further pages are added on demand. */
export function usePages<T>(key: string, fetch: Fetch<T>, topics: readonly Topic[]): Pages<T> {
  const first = useLoad(key, () => fetch({}), topics);
  const [added, setAdded] = useState<ListPage<T>>();
  const [error, setError] = useState<Refusal>();
  useEffect(() => {
    setAdded(undefined);
    setError(undefined);
  }, [key]);
  if (error !== undefined)
    return { loaded: { is: 'refused', error }, more: () => setError(undefined) };
  if (first.is !== 'loaded') return { loaded: first, more: () => undefined };
  const items = [...first.data.items, ...(added?.items ?? [])];
  const next = added === undefined ? first.data.next : added.next;
  const more = (): void => {
    if (next === undefined) return;
    fetch({ after: next }).then(
      (page) => setAdded({ ...page, items: [...(added?.items ?? []), ...page.items] }),
      (thrown: unknown) => setError(thrown instanceof Refusal ? thrown : new Refusal(0, {})),
    );
  };
  return { loaded: { ...first, data: { items, isWhole: next === undefined } }, more };
}
