export interface KubernetesRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Segments, encoded here one by one: `['api', 'v1', 'namespaces', name, 'secrets']`. None may be empty, `.` or `..`. */
  readonly path: readonly string[];
  readonly query?: Readonly<Record<string, string>>;
  /** Sent as JSON. */
  readonly body?: unknown;
  /** Of the body; PATCH needs one of the patch types. */
  readonly contentType?: string;
  /** Another representation of the answer, still JSON: metadata without the objects, a key set. */
  readonly accept?: string;
  /** Longest answer accepted, bytes; 8 MiB when absent. */
  readonly maxBytes?: number;
}

/**
 * One API server with one credential. Never follows redirects, always verifies the certificate. Failures are BrokerErrors:
 * ERR_NOT_FOUND (404), ERR_CONFLICT (409), ERR_PROVIDER_DENIED (401, 403), ERR_PROVIDER_UNAVAILABLE (no connection, TLS, 429, 503, with
 * `retryAfterSeconds`), ERR_PROVIDER_TIMEOUT (the signal fired, 504), ERR_PROVIDER_MALFORMED (not JSON, too long), ERR_PROVIDER_FAILED (the
 * rest); `reason` is `http_<status>` where there was one.
 */
export interface KubernetesApi {
  /** Address of the API server, for messages. */
  readonly server: string;
  /** The parsed answer of a 2xx; nothing of its shape is checked. */
  call(request: KubernetesRequest, signal: AbortSignal): Promise<unknown>;
  /** A watch: resolves once the server accepted it, then yields one parsed line after another until either side ends it. */
  stream(
    request: Pick<KubernetesRequest, 'path' | 'query'>,
    signal: AbortSignal,
  ): Promise<AsyncIterable<unknown>>;
  close(): void;
}
