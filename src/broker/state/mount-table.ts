import { isUnder } from '../../domain/words/names.ts';
import type { StoredDocument } from '../model/document.ts';

/** Maps a path to its mount. Prefixes never nest, so the result does not depend on an order. */
export class MountTable {
  readonly #byPrefix: ReadonlyMap<string, StoredDocument<'mount'>>;

  constructor(mounts: readonly StoredDocument<'mount'>[]) {
    this.#byPrefix = new Map(mounts.map((mount) => [mount.spec.prefix, mount]));
  }

  /** Finds the mount whose prefix is a whole-segment prefix of `path` (a path equal to the prefix names no secret). */
  find(path: string): StoredDocument<'mount'> | undefined {
    let end = path.indexOf('/');
    while (end !== -1) {
      const mount = this.#byPrefix.get(path.slice(0, end));
      if (mount !== undefined) return mount;
      end = path.indexOf('/', end + 1);
    }
    return undefined;
  }

  /** Finds a mount of another name whose prefix nests with this prefix. */
  nesting(name: string, prefix: string): StoredDocument<'mount'> | undefined {
    for (const mount of this.#byPrefix.values()) {
      const other = mount.spec.prefix;
      if (mount.name !== name && (isUnder(prefix, other) || isUnder(other, prefix))) return mount;
    }
    return undefined;
  }

  /** Finds mounts with paths at or below `prefix`, or whose own prefix contains `prefix`. */
  touching(prefix: string): readonly StoredDocument<'mount'>[] {
    return [...this.#byPrefix.values()].filter(
      (mount) =>
        prefix === '' || isUnder(mount.spec.prefix, prefix) || isUnder(prefix, mount.spec.prefix),
    );
  }

  all(): readonly StoredDocument<'mount'>[] {
    return [...this.#byPrefix.values()];
  }
}
