import type { IncomingMessage } from 'node:http';
import type { LookupFunction } from 'node:net';
import { HttpClient } from '../../../net/https/http-client.ts';
import { parseJson } from '../../../net/https/parse-json.ts';
import { bodyChunks, readBody } from '../../../net/https/read-body.ts';
import type { TlsIdentity } from '../../../net/https/tls-identity.ts';
import { transportError } from '../../../net/https/transport-error.ts';
import { answerError, kubernetesError } from '../errors.ts';
import type { KubernetesApi, KubernetesRequest } from '../../../ports/kubernetes-api.ts';
import {
  type KubernetesCredentials,
  FileCredentials,
  IN_CLUSTER,
  loadKubeconfig,
} from './credentials.ts';
import type { KubernetesAccess } from '../config.ts';
import { BrokerError } from '../../../domain/errors.ts';
import type { CallContext } from '../../../ports/call-context.ts';
import type { Guard } from '../../guard/guard.ts';

const DEFAULT_MAX_BYTES = 8 * 1024 * 1024;
/** An error body is read so that the connection can be reused, then dropped. */
const ERROR_BODY_BYTES = 64 * 1024;
const MAX_SOCKETS = 64;

/** Uses node:https: the typed client of client-node follows redirects, reads without limit and takes 90 MB (measured). */
export class HttpsKubernetesApi implements KubernetesApi {
  readonly server: string;
  readonly #credentials: KubernetesCredentials;
  readonly #lookup: LookupFunction | undefined;
  #http: HttpClient | undefined;
  #identity = '';

  /** `lookup` resolves the name of the server at each connection, instead of the system's own look-up. */
  constructor(credentials: KubernetesCredentials, lookup?: LookupFunction) {
    this.#credentials = credentials;
    this.#lookup = lookup;
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

  /** A replaced CA or certificate needs a new client; the idle sockets of the old one time out. */
  #clientFor(tls: TlsIdentity): HttpClient {
    const identity = JSON.stringify(tls);
    if (this.#http === undefined || identity !== this.#identity) {
      this.#http = new HttpClient({
        tls,
        maxSockets: MAX_SOCKETS,
        ...(this.#lookup !== undefined && { lookup: this.#lookup }),
      });
      this.#identity = identity;
    }
    return this.#http;
  }
}

function fail(error: unknown, signal: AbortSignal): never {
  throw transportError(error, signal);
}

/** Opens no connection yet. @throws ERR_CONFIG_INVALID for an unusable kubeconfig file. */
export async function connectKubernetes(access: KubernetesAccess): Promise<KubernetesApi> {
  return new HttpsKubernetesApi(await loadCredentials(access));
}

async function loadCredentials(access: KubernetesAccess): Promise<KubernetesCredentials> {
  if (access.kubeconfigFile !== undefined) {
    return loadKubeconfig(access.kubeconfigFile, access.context);
  }
  const { server, tokenFile, caFile } = access;
  if (server === undefined || tokenFile === undefined) return new FileCredentials(IN_CLUSTER);
  return new FileCredentials({ server, tokenFile, caFile });
}

/** @throws ERR_PATH_INVALID for a segment that would name another resource (CVE-2022-3162: `..` in a name). */
export function requestUrl(server: URL, request: Pick<KubernetesRequest, 'path' | 'query'>): URL {
  const segments = request.path.map(encodeSegment);
  const url = new URL(server);
  url.pathname = `${server.pathname.replace(/\/$/, '')}/${segments.join('/')}`;
  url.search = new URLSearchParams(request.query).toString();
  return url;
}

function encodeSegment(segment: string): string {
  if (segment === '' || segment === '.' || segment === '..' || !segment.isWellFormed()) {
    throw new BrokerError('ERR_PATH_INVALID', 'a name is empty or made of dots');
  }
  return encodeURIComponent(segment);
}

/** Limit above the largest object in etcd (1.5 MiB) in its longest JSON form. */
const LONGEST_LINE = 4 * 1024 * 1024;
const NEWLINE = 10;

/**
 * Yields one parsed value per line. An incomplete last line is dropped, because the reader resumes before it.
 * @throws ERR_PROVIDER_MALFORMED for a line that is not JSON or is too long; ERR_PROVIDER_TIMEOUT,
 * ERR_PROVIDER_UNAVAILABLE.
 */
export async function* jsonLines(
  response: IncomingMessage,
  signal: AbortSignal,
): AsyncGenerator<unknown, void, undefined> {
  const lines = new LineBuffer();
  try {
    for await (const chunk of bodyChunks(response)) {
      for (const line of lines.take(chunk)) yield parseJson(line);
    }
  } catch (error) {
    throw transportError(error, signal);
  }
}

class LineBuffer {
  #pieces: Buffer[] = [];
  #held = 0;

  *take(chunk: Buffer): Generator<Buffer, void, undefined> {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
      const line = Buffer.concat([...this.#pieces, chunk.subarray(start, end)]);
      this.#pieces = [];
      this.#held = 0;
      start = end + 1;
      if (line.length > 0) yield line;
    }
    this.#hold(chunk.subarray(start));
  }

  #hold(rest: Buffer): void {
    if (rest.length === 0) return;
    this.#pieces.push(rest);
    this.#held += rest.length;
    if (this.#held <= LONGEST_LINE) return;
    throw new BrokerError('ERR_PROVIDER_MALFORMED', undefined, { reason: 'line_too_long' });
  }
}

/** The API server under the connection's guard: only GET is retried. */
export class GuardedApi {
  readonly server: string;
  readonly #api: KubernetesApi;
  readonly #guard: Guard;

  constructor(api: KubernetesApi, guard: Guard) {
    this.server = api.server;
    this.#api = api;
    this.#guard = guard;
  }

  call(request: KubernetesRequest, context: CallContext): Promise<unknown> {
    const work = (signal: AbortSignal): Promise<unknown> => this.#attempt(request, signal);
    return request.method === 'GET'
      ? this.#guard.read(context, work)
      : this.#guard.effect(context, work);
  }

  async #attempt(request: KubernetesRequest, signal: AbortSignal): Promise<unknown> {
    try {
      return await this.#api.call(request, signal);
    } catch (error) {
      throw kubernetesError(error);
    }
  }
}
