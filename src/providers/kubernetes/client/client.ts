import type { IncomingMessage } from 'node:http';
import { HttpClient } from '../../../net/https/http-client.ts';
import { parseJson } from '../../../net/https/parse-json.ts';
import { readBody } from '../../../net/https/read-body.ts';
import type { TlsIdentity } from '../../../net/https/tls-identity.ts';
import { transportError } from '../../../net/https/transport-error.ts';
import { answerError } from './answer-error.ts';
import { jsonLines } from './json-lines.ts';
import type { KubernetesApi, KubernetesRequest } from '../../../ports/kubernetes-api.ts';
import type { KubernetesCredentials } from './kubernetes-credentials.ts';
import { requestUrl } from './request-url.ts';

const DEFAULT_MAX_BYTES = 8 * 1024 * 1024;
/** Read to keep the connection, then forgotten. */
const ERROR_BODY_BYTES = 64 * 1024;
const MAX_SOCKETS = 64;

/** Over node:https: the typed client of client-node follows redirects, reads without bound and takes 90 MB (measured). */
export class HttpsKubernetesApi implements KubernetesApi {
  readonly server: string;
  readonly #credentials: KubernetesCredentials;
  #http: HttpClient | undefined;
  #identity = '';

  constructor(credentials: KubernetesCredentials) {
    this.#credentials = credentials;
    this.server = credentials.server.href;
  }

  async call(request: KubernetesRequest, signal: AbortSignal): Promise<unknown> {
    const response = await this.#send(request, signal);
    const body = readBody(response, request.maxBytes ?? DEFAULT_MAX_BYTES);
    return parseJson(await body.catch((error: unknown) => fail(error, signal)));
  }

  async stream(
    request: Pick<KubernetesRequest, 'path' | 'query'>,
    signal: AbortSignal,
  ): Promise<AsyncIterable<unknown>> {
    const response = await this.#send({ ...request, method: 'GET' }, signal);
    return jsonLines(response, signal);
  }

  close(): void {
    this.#http?.close();
  }

  async #send(request: KubernetesRequest, signal: AbortSignal): Promise<IncomingMessage> {
    const url = requestUrl(this.#credentials.server, request);
    const { tls, headers } = await this.#credentials.current();
    const body = request.body === undefined ? undefined : JSON.stringify(request.body);
    const sent = {
      url,
      method: request.method,
      headers: {
        accept: request.accept ?? 'application/json',
        ...headers.reveal(),
        ...(body !== undefined && { 'content-type': request.contentType ?? 'application/json' }),
      },
      body,
      signal,
    };
    const response = await this.#clientFor(tls)
      .open(sent)
      .catch((error: unknown) => fail(error, signal));
    const status = response.statusCode ?? 0;
    if (status >= 200 && status < 300) return response;
    await readBody(response, ERROR_BODY_BYTES).catch(() => undefined);
    throw answerError(response);
  }

  /** A replaced CA or certificate needs a client of its own; the idle sockets of the old one time out. */
  #clientFor(tls: TlsIdentity): HttpClient {
    const identity = JSON.stringify(tls);
    if (this.#http === undefined || identity !== this.#identity) {
      this.#http = new HttpClient({ tls, maxSockets: MAX_SOCKETS });
      this.#identity = identity;
    }
    return this.#http;
  }
}

function fail(error: unknown, signal: AbortSignal): never {
  throw transportError(error, signal);
}
