/** The configuration that the broker uses now. */
export interface ConfigurationInUse {
  /** 1 at the start; each reload that changed a setting adds 1. */
  readonly generation: number;
  /** SHA-256 of all settings with their defaults and the environment applied; replicas with the same settings have the same digest. */
  readonly digest: string;
  /** Milliseconds since the epoch. */
  readonly loadedAt: number;
  /** Set if the last reload failed: the configuration in use is the one before. */
  readonly failure?: { readonly at: number; readonly detail: string };
}

/** The configuration file of the broker. */
export interface Configuration {
  inUse(): ConfigurationInUse;
  /** All settings in use, without secrets. */
  settings(): Readonly<Record<string, unknown>>;
  /**
   * Reads the file again and uses it. If it is not valid, or changes a setting that needs a restart, nothing changes.
   * @throws ERR_CONFIG_INVALID that names every problem
   */
  reload(): Promise<ConfigurationInUse>;
}
