import type { IncomingMessage } from 'node:http';
import { BrokerError } from '../../domain/errors.ts';

const LOOPBACK = /^(?:127\.0\.0\.1|\[::1\]|localhost)(?::[1-9][0-9]{0,4})?$/;
/** Only scripts of the page can set it: a form cannot, and another origin would need a permission that the broker never gives. */
const CONSOLE_HEADER = 'x-quaymaster-console';

/** The origin under which browsers reach the console. */
export class ConsoleOrigin {
  readonly #configured: URL | undefined;
  readonly #scheme: string;

  /** Takes the configured origin; undefined: the console answers to the names of loopback only. */
  constructor(configured: string | undefined, scheme: string) {
    this.#configured = configured === undefined ? undefined : new URL(configured);
    this.#scheme = scheme;
  }

  /**
   * The origin of a request. A page of another name that resolves to this address (DNS rebinding) has that name in `Host`.
   * @throws ERR_DENIED
   */
  of({ headers: { host = '' } }: IncomingMessage): URL {
    if (this.#configured !== undefined) {
      if (host.toLowerCase() === this.#configured.host) return this.#configured;
    } else if (LOOPBACK.test(host)) return new URL(`${this.#scheme}://${host}`);
    throw new BrokerError('ERR_DENIED', undefined, { reason: 'console_host' });
  }

  /**
   * Refuses a request that a script of this page did not send. All three checks must pass, so that an error in a browser, or in a proxy that
   * drops one of the headers, opens nothing.
   * @throws ERR_DENIED
   */
  requireOwnPage(request: IncomingMessage): URL {
    const { headers, method } = request;
    const own = this.of(request);
    const isSafe = method === 'GET' || method === 'HEAD';
    // Browsers send no Origin with a GET to the same origin.
    const isOwnOrigin = headers.origin === undefined ? isSafe : headers.origin === own.origin;
    const isOwn =
      headers['sec-fetch-site'] === 'same-origin' &&
      isOwnOrigin &&
      headers[CONSOLE_HEADER] !== undefined;
    if (isOwn) return own;
    throw new BrokerError('ERR_DENIED', undefined, { reason: 'console_origin' });
  }
}
