/** Given to every call that leaves the process. Adapters must honour `signal`: it carries the caller's deadline. */
export interface CallContext {
  readonly requestId: string;
  readonly signal: AbortSignal;
  /** Who shares a connection fairly with others: the identity of the caller; absent for work that the broker does by itself. */
  readonly caller?: string;
}
