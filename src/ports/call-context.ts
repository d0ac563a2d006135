/** Given to every call that leaves the process. Adapters must honour `signal`: it carries the caller's deadline. */
export interface CallContext {
  readonly requestId: string;
  readonly signal: AbortSignal;
}
