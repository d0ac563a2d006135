/** The broker passes this to every call that leaves the process. Adapters must honour `signal`, because it carries the caller's deadline. */
export interface CallContext {
  readonly requestId: string;
  readonly signal: AbortSignal;
  /** The identity of the caller. Callers share a connection fairly by this name. Absent for the broker's own background work. */
  readonly caller?: string;
}
