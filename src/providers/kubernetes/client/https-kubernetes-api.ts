import type { IncomingMessage } from 'node:http';
import type { Agent } from 'node:https';
import { openHttps } from '../../../net/https/open-https.ts';
import { parseJson } from '../../../net/https/parse-json.ts';
import { readBounded } from '../../../net/https/read-bounded.ts';
import { tlsAgent } from '../../../net/https/tls-agent.ts';
import type { TlsIdentity } from '../../../net/https/tls-identity.ts';
import { answerError } from './answer-error.ts';
import { jsonLines } from './json-lines.ts';
import type { KubernetesApi, KubernetesRequest } from './kubernetes-api.ts';
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
  #agent: Agent | undefined;
  #identity = '';

  constructor(credentials: KubernetesCredentials) {
    this.#credentials = credentials;
    this.server = credentials.server.href;
  }

  async call(request: KubernetesRequest, signal: AbortSignal): Promise<unknown> {
    const response = await this.#send(request, signal);
    return parseJson(await readBounded(response, request.maxBytes ?? DEFAULT_MAX_BYTES, signal));
  }

  async stream(
    request: Pick<KubernetesRequest, 'path' | 'query'>,
    signal: AbortSignal,
  ): Promise<AsyncIterable<unknown>> {
    const response = await this.#send({ ...request, method: 'GET' }, signal);
    return jsonLines(response, signal);
  }

  close(): void {
    this.#agent?.destroy();
  }

  async #send(request: KubernetesRequest, signal: AbortSignal): Promise<IncomingMessage> {
    const url = requestUrl(this.#credentials.server, request);
    const { tls, headers } = await this.#credentials.current();
    const body = request.body === undefined ? undefined : JSON.stringify(request.body);
    const response = await openHttps({
      url,
      method: request.method,
      headers: {
        accept: request.accept ?? 'application/json',
        ...headers.reveal(),
        ...bodyHeaders(request, body),
      },
      body,
      agent: this.#agentFor(tls),
      signal,
    });
    const status = response.statusCode ?? 0;
    if (status >= 200 && status < 300) return response;
    await readBounded(response, ERROR_BODY_BYTES, signal).catch(() => undefined);
    throw answerError(response);
  }

  /** A CA or certificate that was replaced needs an agent of its own; the idle sockets of the old one time out. */
  #agentFor(tls: TlsIdentity): Agent {
    const identity = JSON.stringify(tls);
    if (this.#agent === undefined || identity !== this.#identity) {
      this.#agent = tlsAgent(tls, MAX_SOCKETS);
      this.#identity = identity;
    }
    return this.#agent;
  }
}

function bodyHeaders(
  request: KubernetesRequest,
  body: string | undefined,
): Readonly<Record<string, string>> {
  if (body === undefined) return {};
  return {
    'content-type': request.contentType ?? 'application/json',
    'content-length': String(Buffer.byteLength(body)),
  };
}
