/** Facts of a request that its trace shows. */
export interface TracedRequest {
  readonly method: string;
  /** The path template of the operation. */
  readonly route: string;
  /** The path as the client sent it. Only a configuration that asks for paths puts it into a trace. */
  readonly path: string;
  readonly requestId: string;
  /** The header `traceparent` of the client (W3C Trace Context). */
  readonly traceparent: string | undefined;
}

/** The parts of a request that have a span of their own. */
export type PartName = 'decide' | 'commit' | 'call';

/** Records traces of requests. No method fails, waits, or changes the result of `work`. */
export interface Trace {
  /** Runs a request, which returns the status of its response. */
  request(request: TracedRequest, work: () => Promise<number>): Promise<number>;
  /** Runs a part of the current request. If there is no request, or its trace is not sampled, this only runs `work`. */
  part<T>(name: PartName, work: () => T, connection?: string): T;
}

/** Runs a call at one connection as a part of the current request. */
export type TraceCall = <T>(work: () => Promise<T>) => Promise<T>;
