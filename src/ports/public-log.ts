/** The parts of the audit log that anyone may read without a login, if the configuration allows it: C2SP tlog-tiles without entries. */
export interface PublicLog {
  /** The note of the newest checkpoint; if witnesses are configured, the newest that enough of them cosigned. Undefined if there is none. */
  checkpoint(): Promise<string | undefined>;
  /** Hashes by their tlog-tiles path, `tile/<L>/<N>[.p/<W>]`; undefined if the log does not have them, and for entry bundles. */
  tile(
    path: string,
  ): Promise<{ readonly hashes: Uint8Array; readonly isFull: boolean } | undefined>;
}
