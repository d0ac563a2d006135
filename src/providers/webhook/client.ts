import type { IncomingMessage } from 'node:http';
import { BrokerError } from '../../domain/errors.ts';
import { tlsFilesOf } from '../server/config.ts';
import { readTlsIdentity } from '../server/read-tls-identity.ts';
import { HttpClient } from '../../net/https/http-client.ts';
import { readBody } from '../../net/https/read-body.ts';
import { retryAfterSeconds } from '../../net/https/retry-after.ts';
import { transportError } from '../../net/https/transport-error.ts';
import { createLookup, type Resolve } from '../server/addresses.ts';
import type { WebhookConnectionConfig } from './config.ts';

const MOST_ANSWER_BYTES = 65_536;

export interface WebhookPost {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

export interface WebhookAnswer {
  /** Body of the answer: attacker-controlled, like the following fields. */
  readonly body: Buffer;
  readonly signature: string;
}

/** One HTTP endpoint that receives the broker's posts. Each post has its own connection: no redirects, no proxies, no compression. */
export class WebhookEndpoint {
  readonly #config: WebhookConnectionConfig;
  readonly #resolve: Resolve;
  readonly #url: URL;

  constructor(config: WebhookConnectionConfig, resolve: Resolve) {
    this.#config = config;
    this.#resolve = resolve;
    this.#url = new URL(config.url);
  }

  /**
   * Posts, and returns the answer of status 200 and type JSON, at most 64 KiB.
   * @throws ERR_CONFLICT (`address_refused`), ERR_PROVIDER_DENIED, ERR_PROVIDER_FAILED (`redirect`, `refused`,
   * `status`), ERR_PROVIDER_MALFORMED, ERR_PROVIDER_TIMEOUT, ERR_PROVIDER_UNAVAILABLE.
   */
  async post(sent: WebhookPost, signal: AbortSignal): Promise<WebhookAnswer> {
    const host = this.#url.hostname.replace(/^\[|\]$/g, '');
    const { allowPrivateAddresses } = this.#config;
    const lookup = await createLookup(host, this.#resolve, allowPrivateAddresses);
    const files = tlsFilesOf({ host, tls: this.#config.tls ?? {} });
    const tls = files === undefined ? 'off' : await readTlsIdentity(files);
    const http = new HttpClient({ tls, lookup, keepAlive: false });
    try {
      const response = await http.open({ ...sent, url: this.#url, method: 'POST', signal });
      refuseUnlessJson(response);
      const body = await readBody(response, MOST_ANSWER_BYTES);
      const signature = response.headers['quaymaster-signature'];
      return { body, signature: typeof signature === 'string' ? signature : '' };
    } catch (error) {
      throw transportError(error, signal);
    } finally {
      http.close();
    }
  }
}

function refuseUnlessJson(response: IncomingMessage): void {
  const { statusCode = 0, headers } = response;
  if (statusCode !== 200) {
    response.destroy();
    throw statusError(statusCode, retryAfterSeconds(headers['retry-after'], headers.date));
  }
  if (!/^application\/json(?:; *charset=utf-8)?$/i.test(headers['content-type'] ?? '')) {
    response.destroy();
    throw new BrokerError('ERR_PROVIDER_MALFORMED', undefined, { reason: 'content_type' });
  }
}

function statusError(status: number, retryAfter: number | undefined): BrokerError {
  const after = retryAfter === undefined ? {} : { retryAfterSeconds: retryAfter };
  if (status === 429) {
    return new BrokerError('ERR_PROVIDER_UNAVAILABLE', undefined, {
      reason: 'throttled',
      ...after,
    });
  }
  if (status === 502 || status === 503 || status === 504) {
    return new BrokerError('ERR_PROVIDER_UNAVAILABLE', undefined, { reason: 'status', ...after });
  }
  if (status === 401 || status === 403) return new BrokerError('ERR_PROVIDER_DENIED');
  return new BrokerError('ERR_PROVIDER_FAILED', undefined, { reason: reasonOf(status) });
}

function reasonOf(status: number): string {
  if (status >= 300 && status < 400) return 'redirect';
  return status >= 400 && status < 500 ? 'refused' : 'status';
}
