import type { IncomingMessage } from 'node:http';
import { systemClock } from '../process/clock.ts';
import { randomFraction } from '../crypto/random/random.ts';
import type { Clock } from '../ports/clock.ts';
import type { ClientCertificate } from './certificate-files.ts';
import { brokerUrl } from './broker-url.ts';
import type { Authorization, Credential } from './credential.ts';
import { API_VERSION } from '../ports/openapi/operations.ts';
import type { PreparedRequest } from './prepared-request.ts';
import { readAnswer, requireEventStream, type AnyAnswer } from './read-answer.ts';
import { sendWithRetries } from './retry.ts';
import { withinTime } from './time-limit.ts';
import { Transport } from './transport.ts';

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
    signal: AbortSignal | undefined,
  ): Promise<AnyAnswer> {
    const options = { tries: this.#tries, clock: this.clock, random: this.#random };
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
