import type { IncomingMessage } from 'node:http';
import { systemClock } from '../process/clock.ts';
import { randomFraction } from '../crypto/random/random.ts';
import type { Clock } from '../ports/clock.ts';
import type { ClientCertificate } from './certificate-files.ts';
import type { Authorization, Credential } from './credential.ts';
import { API_VERSION } from '../ports/openapi/operations.ts';
import type { AnyInput, PreparedRequest } from './prepared-request.ts';
import { readAnswer, requireEventStream, type AnyAnswer } from './read-answer.ts';
import { sendWithRetries } from './retry.ts';
import { Transport } from './transport.ts';
import { UnreachableError } from './errors.ts';

const TIMEOUT_MS = 30_000;
const TRIES = 4;
const LIBRARY = `quaymaster-client/${API_VERSION}`;

export interface ClientOptions {
  /** URL of the broker: `https://HOST[:PORT]`; `http://` on loopback only. */
  readonly url: string;
  /** PEM of the CAs that are trusted for the broker's certificate; default: the CAs of Node. */
  readonly ca?: string | undefined;
  /** Returns the certificate for a broker that requests one; called before each request. For files: `CertificateFiles`. */
  readonly clientCertificate?: (() => ClientCertificate) | undefined;
  /** Allows `http://` to other machines, for a service mesh that encrypts. */
  readonly allowPlaintext?: boolean;
  /** Time limit of one attempt, up to the last byte of its answer; default: 30,000. */
  readonly timeoutMs?: number;
  /** Number of tries of a request that is safe to repeat; default: 4. */
  readonly tries?: number;
  /** Text before the name of this library in the User-Agent header. */
  readonly userAgent?: string;
  readonly clock?: Clock;
  /** Returns random numbers in [0, 1) for jitter. */
  readonly random?: () => number;
}

/** The connection to one broker, shared by all callers. */
export class Connection {
  readonly clock: Clock;
  readonly #transport: Transport;
  readonly #timeoutMs: number;
  readonly #tries: number;
  readonly #random: () => number;
  readonly #userAgent: string;

  /** @throws TypeError for an invalid URL, or a client certificate without TLS */
  constructor(options: ClientOptions) {
    const { clock = systemClock, random = randomFraction, userAgent } = options;
    const url = brokerUrl(options.url, options.allowPlaintext === true);
    this.clock = clock;
    this.#transport = new Transport(url, options);
    this.#timeoutMs = options.timeoutMs ?? TIMEOUT_MS;
    this.#tries = options.tries ?? TRIES;
    this.#random = random;
    this.#userAgent = userAgent === undefined ? LIBRARY : `${userAgent} ${LIBRARY}`;
  }

  /** One call, with retries if it is safe to repeat. @throws ApiError, UnreachableError, the reason of `signal`, every error of `clientCertificate` */
  call(
    request: PreparedRequest,
    credential: Credential,
    { signal, tries = this.#tries }: Pick<AnyInput, 'signal' | 'tries'>,
  ): Promise<AnyAnswer> {
    const options = { tries, clock: this.clock, random: this.#random };
    const limit = { ms: this.#timeoutMs, clock: this.clock, caller: signal };
    return sendWithRetries(request, options, signal, () =>
      withinTime(limit, async (within) => {
        const authorization = await this.#authorize(request, credential);
        const response = await this.#send(request, authorization, within);
        return readAnswer(request, response, authorization);
      }),
    );
  }

  /** Opens an event stream and returns after its headers. A refusal is read completely, within the time of one attempt. It does not retry. @throws as `call` */
  open(
    request: PreparedRequest,
    credential: Credential,
    signal: AbortSignal | undefined,
  ): Promise<IncomingMessage> {
    const limit = { ms: this.#timeoutMs, clock: this.clock, caller: signal };
    return withinTime(limit, async (within) => {
      const authorization = await this.#authorize(request, credential);
      return requireEventStream(request, await this.#send(request, authorization, within));
    });
  }

  close(): void {
    this.#transport.close();
  }

  #authorize({ method, path }: PreparedRequest, credential: Credential): Promise<Authorization> {
    const url = `${this.#transport.origin}${path}`;
    return credential.authorize({ method, url, at: this.clock.now() });
  }

  #send(
    { method, path, query, headers, body }: PreparedRequest,
    authorization: Authorization,
    signal: AbortSignal,
  ): Promise<IncomingMessage> {
    const all = { ...headers, 'user-agent': this.#userAgent, ...authorization.headers };
    return this.#transport.open({ method, target: path + query, headers: all, body }, signal);
  }
}

const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/;

/**
 * The broker's URL: scheme, host and port, and nothing else.
 * @throws TypeError for any other URL, and for `http:` to another machine unless allowed, because every network on the way could read the
 * secrets. The message does not contain the URL, which may contain a password.
 */
function brokerUrl(text: string, allowPlaintext: boolean): URL {
  const url = URL.parse(text);
  if (url === null || !['http:', 'https:'].includes(url.protocol)) {
    throw new TypeError('the URL of the broker must be https://HOST or https://HOST:PORT');
  }
  if (
    url.username !== '' ||
    url.password !== '' ||
    `${url.pathname}${url.search}${url.hash}` !== '/'
  ) {
    throw new TypeError('the URL of the broker must have a host and a port, and nothing else');
  }
  if (url.protocol === 'http:' && !allowPlaintext && !LOOPBACK.test(url.hostname)) {
    throw new TypeError('the URL of the broker must be https://, except on loopback');
  }
  return url;
}

/**
 * Runs `work` with a signal that aborts after the time limit or when the caller aborts; `work` must end soon after.
 * @throws UnreachableError after the time limit, the caller's reason if it aborted, otherwise the error of `work`
 */
async function withinTime<T>(
  limit: { readonly ms: number; readonly clock: Clock; readonly caller: AbortSignal | undefined },
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const { ms, clock, caller } = limit;
  caller?.throwIfAborted();
  const controller = new AbortController();
  const abort = (): void => controller.abort(caller?.reason);
  caller?.addEventListener('abort', abort, { once: true });
  const cancel = clock.after(ms, () =>
    controller.abort(new UnreachableError('timeout', `no complete response within ${ms / 1000} s`)),
  );
  try {
    return await work(controller.signal);
  } catch (error) {
    // Aborted work fails with an error of its own.
    controller.signal.throwIfAborted();
    throw error;
  } finally {
    cancel();
    caller?.removeEventListener('abort', abort);
  }
}
