import { BrokerError } from '../domain/errors.ts';

/** What development mode asks of its own broker, over HTTP like everybody else. */
export class ApiClient {
  readonly #base: string;
  readonly #token: string | undefined;

  constructor(base: string, token?: string) {
    this.#base = base;
    this.#token = token;
  }

  /** @returns the status and the JSON of the answer. */
  async call(
    method: string,
    path: string,
    body?: unknown,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<{ readonly status: number; readonly json: Record<string, unknown> }> {
    const response = await fetch(`${this.#base}/api/v1${path}`, {
      method,
      headers: {
        ...headers,
        ...(this.#token === undefined ? {} : { authorization: `Bearer ${this.#token}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    const json = text === '' ? {} : (JSON.parse(text) as Record<string, unknown>);
    return { status: response.status, json };
  }

  /** Creates or replaces. @throws ERR_INTERNAL with the broker's answer. */
  async put(path: string, body: unknown): Promise<void> {
    const created = await this.call('PUT', path, body, { 'if-none-match': '*' });
    if (created.status === 201) return;
    const { status, json } =
      created.status === 412 ? await this.call('PUT', path, body, { 'if-match': '*' }) : created;
    if (status !== 200 && status !== 201) {
      throw new BrokerError(
        'ERR_INTERNAL',
        `PUT ${path} answered ${status}: ${JSON.stringify(json)}`,
      );
    }
  }
}
