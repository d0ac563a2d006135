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

/** A change that is ready: everything that can fail has succeeded. */
export interface PreparedChange {
  /** Takes effect within one turn of the event loop. It cannot fail. */
  apply(): void;
  /** Closes everything that was opened for the change, because another part refused it. */
  discard(): Promise<void> | void;
}

/** A part of the broker that can change its settings while it runs. */
export interface Reloadable<Settings> {
  /** Changes nothing yet. @throws ERR_CONFIG_INVALID */
  prepare(next: Settings): Promise<PreparedChange> | PreparedChange;
}

export const NO_CHANGE: PreparedChange = { apply: () => undefined, discard: () => undefined };

/** A part whose change needs no preparation. */
export function reloadable<Settings>(apply: (next: Settings) => void): Reloadable<Settings> {
  return { prepare: (next) => ({ ...NO_CHANGE, apply: () => apply(next) }) };
}
