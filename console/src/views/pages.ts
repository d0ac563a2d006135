import { useRef, useState } from 'preact/hooks';
import { Refusal } from '../client.ts';
import { listDocuments, type Kind, type Stored } from '../kinds.ts';
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

/** The items of all pages that were loaded, and the first page from which they begin. */
interface Known<T> extends ListPage<T> {
  readonly key: string;
  readonly first: ListPage<T>;
}

/**
 * A list by the cursors of the broker. The first page stays current; further pages are added on demand. `keyOf` names an item: by it a new first page is joined to
 * what is already there.
 */
export function usePages<T>(
  key: string,
  fetch: Fetch<T>,
  topics: readonly Topic[],
  keyOf: (item: T) => string,
): Pages<T> {
  const first = useLoad(key, () => fetch({}), topics);
  const known = useRef<Known<T>>(undefined);
  const [failure, setFailure] = useState<{ readonly key: string; readonly error: Refusal }>();
  const [, redraw] = useState(0);
  if (failure?.key === key)
    return {
      loaded: { is: 'refused', error: failure.error },
      more: () => setFailure(undefined),
    };
  if (first.is !== 'loaded') return { loaded: first, more: () => undefined };
  if (known.current?.key !== key || known.current.first !== first.data) {
    const before = known.current?.key === key ? known.current : undefined;
    known.current = { key, first: first.data, ...joined(first.data, before, keyOf) };
  }
  const { items, next } = known.current;
  const more = (): void => {
    if (next === undefined) return;
    fetch({ after: next }).then(
      (page) => {
        const { current } = known;
        // A second request for the same page, or one for another list, adds nothing.
        if (current?.key !== key || current.next !== next) return;
        const seen = new Set(current.items.map(keyOf));
        const added = page.items.filter((item) => !seen.has(keyOf(item)));
        known.current = {
          key,
          first: current.first,
          items: [...current.items, ...added],
          ...(page.next !== undefined && { next: page.next }),
        };
        redraw((times) => times + 1);
      },
      (thrown: unknown) => setFailure({ key, error: Refusal.from(thrown) }),
    );
  };
  return { loaded: { ...first, data: { items, isWhole: next === undefined } }, more };
}

/** The documents of a kind. */
export function useDocuments(kind: Kind): Pages<Stored> {
  return usePages(
    `documents ${kind.word}`,
    (after) => listDocuments(kind, after),
    ['document'],
    ({ name }) => name,
  );
}

/**
 * Joins a new first page to the items that were loaded before. The list may have grown or shrunk meanwhile, so what follows the last item of the new page is
 * kept: items that it pushed out stay, and none is there twice. If nothing overlaps, the list begins again.
 */
function joined<T>(
  first: ListPage<T>,
  before: ListPage<T> | undefined,
  keyOf: (item: T) => string,
): ListPage<T> {
  const last = first.items.at(-1);
  if (before === undefined || first.next === undefined || last === undefined) return first;
  const end = before.items.findIndex((item) => keyOf(item) === keyOf(last));
  if (end === -1) return first;
  return {
    items: [...first.items, ...before.items.slice(end + 1)],
    ...(before.next !== undefined && { next: before.next }),
  };
}
