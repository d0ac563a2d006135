/** Receivers of the audit log that must have the entry of a request before its answer leaves. */
export interface RequiredReceivers {
  /** False if the configuration names none: then nothing waits. */
  readonly isRequired: boolean;
  /**
   * Resolves when each of them acknowledged everything that this process has committed so far.
   * @throws ERR_AUDIT_UNACKNOWLEDGED after the configured time, or if too many requests wait.
   */
  waitForReceivers(): Promise<void>;
}
