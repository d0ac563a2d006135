import type { DeclaredApiServer } from '../domain/identity/cluster.ts';
import type { Sensitive } from '../domain/secrets/sensitive.ts';

/**
 * Opens the API server that a cluster declares; `token` is asked before each request. Nothing is sent yet. It never connects to addresses of metadata services.
 * @throws ERR_CONFLICT for such an address
 */
export type OpenApiServer = (
  server: DeclaredApiServer,
  token: () => Sensitive<string> | undefined,
) => KubernetesApi;

export interface KubernetesRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Segments, which the adapter encodes one by one: `['api', 'v1', 'namespaces', name, 'secrets']`. None may be empty, `.` or `..`. */
  readonly path: readonly string[];
  readonly query?: Readonly<Record<string, string>>;
  /** A body that is sent as JSON. */
  readonly body?: unknown;
  /** Content type of the body. PATCH needs one of the patch types. */
  readonly contentType?: string;
  /** Requests another JSON representation of the response, such as metadata without the objects, or a key set. */
  readonly accept?: string;
  /** The longest accepted response in bytes; the default is 8 MiB. */
  readonly maxBytes?: number;
}

/**
 * A client for one API server with one credential. It never follows redirects and always verifies the certificate. Failures are BrokerErrors:
 * - ERR_NOT_FOUND (404)
 * - ERR_CONFLICT (409)
 * - ERR_PROVIDER_DENIED (401, 403)
 * - ERR_PROVIDER_UNAVAILABLE (no connection, TLS, 429, 503), with `retryAfterSeconds`
 * - ERR_PROVIDER_TIMEOUT (the signal fired, 504)
 * - ERR_PROVIDER_MALFORMED (the response is not JSON or is too long)
 * - ERR_PROVIDER_FAILED (all other failures)
 * `reason` is `http_<status>` if the server returned a status.
 */
export interface KubernetesApi {
  /** Address of the API server, for messages. */
  readonly server: string;
  /** Returns the parsed body of a 2xx response. The caller must validate its shape. */
  call(request: KubernetesRequest, signal: AbortSignal): Promise<unknown>;
  /** Starts a watch. Resolves when the server accepts it, then yields one parsed line at a time until either side closes it. */
  stream(
    request: Pick<KubernetesRequest, 'path' | 'query'>,
    signal: AbortSignal,
  ): Promise<AsyncIterable<unknown>>;
  close(): void;
}
