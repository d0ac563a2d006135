/** A provider attached at a path prefix. Prefixes never nest; two mounts never cover the same locator. */
export interface MountSpec {
  readonly prefix: string;
  /** A connection of the configuration file, or `embedded`. */
  readonly connection: string;
  /** The provider's own, for example `{engine: 'kv-v2', path: 'secret', root: 'payments'}`. */
  readonly options: Readonly<Record<string, unknown>>;
  readonly leaseTtlSeconds: number;
  readonly cacheTtlSeconds: number;
  /** How long a cached value may answer while the backend fails, beyond `cacheTtl`; 0 never. */
  readonly staleIfErrorSeconds: number;
}
