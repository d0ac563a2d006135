import type { Clock } from '../../ports/clock.ts';
import type { Resource } from './cluster-object.ts';

const WINDOW_MS = 10 * 60_000;
const SHARE = 0.2;
/**
 * Deletions that are always allowed: a share of few documents would be less than one. Kinds of the whole cluster have few, and
 * most of them protect.
 */
const LEAST = { ofNamespace: 10, ofCluster: 2, atOnce: 20 };

interface Window {
  readonly since: number;
  count: number;
}

/**
 * Limit of documents that may be deleted with their objects. An API server that is restored from an older backup, or loses the
 * definition of a kind, reports many deletions by mistake. Each namespace has its own limit, so that one team cannot delay the
 * deletions of another.
 */
export class DeletionLimit {
  readonly #clock: Pick<Clock, 'monotonic'>;
  readonly #windows = new Map<string, Window>();

  constructor(clock: Pick<Clock, 'monotonic'>) {
    this.#clock = clock;
  }

  /**
   * The gone ones that may be deleted now.
   * @param counts documents of the kind by namespace, the gone ones included
   */
  allowed<G extends { readonly namespace: string }>(
    resource: Resource,
    gone: readonly G[],
    counts: ReadonlyMap<string, number>,
  ): readonly G[] {
    const least = resource.isNamespaced ? LEAST.ofNamespace : LEAST.ofCluster;
    const free = [...Map.groupBy(gone, ({ namespace }) => namespace)].flatMap(
      ([namespace, own]) => {
        const { count } = this.#window(resource, namespace);
        const most = atLeast(least, (counts.get(namespace) ?? 0) + count);
        return own.length + count > most ? [] : own;
      },
    );
    const all = [...counts.values()].reduce((sum, each) => sum + each, 0);
    return free.length > atLeast(LEAST.atOnce, all) ? [] : free;
  }

  count(resource: Resource, namespace: string): void {
    this.#window(resource, namespace).count += 1;
  }

  #window({ kind }: Resource, namespace: string): Window {
    const key = `${kind}/${namespace}`;
    const now = this.#clock.monotonic();
    const known = this.#windows.get(key);
    if (known !== undefined && now - known.since < WINDOW_MS) return known;
    const fresh = { since: now, count: 0 };
    this.#windows.set(key, fresh);
    return fresh;
  }
}

function atLeast(least: number, documents: number): number {
  return Math.max(least, Math.floor(documents * SHARE));
}
