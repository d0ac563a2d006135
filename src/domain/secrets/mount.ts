/** Name and kind of the connection to the broker's own store, which every broker has. */
export const EMBEDDED = 'embedded';

/** A provider mounted at a path prefix. Prefixes never nest; two mounts never cover the same locator. */
export interface MountSpec {
  readonly prefix: string;
  /** A connection of the configuration file, or `embedded`. */
  readonly connection: string;
  /** Options of the provider, for example `{engine: 'kv-v2', path: 'secret', root: 'payments'}`. */
  readonly options: Readonly<Record<string, unknown>>;
  readonly leaseTtlSeconds: number;
  readonly cacheTtlSeconds: number;
  /** Seconds after `cacheTtl` in which a cached value may be returned while the backend fails; 0: never. */
  readonly staleIfErrorSeconds: number;
}
