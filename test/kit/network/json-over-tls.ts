import { request, type Agent } from 'node:https';
import { text } from 'node:stream/consumers';

export interface Answer {
  readonly status: number;
  /** Body of the answer; empty if it has none. */
  readonly body: Record<string, unknown>;
}

export interface Asked {
  readonly token?: string;
  readonly body?: object;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Sends one JSON request over a connection of this agent, which has the certificates of the caller. */
export async function jsonOverTls(
  agent: Agent,
  [method, url]: readonly [string, string],
  { token, body, headers: more }: Asked = {},
): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const headers = {
    ...more,
    ...(token !== undefined && { authorization: `Bearer ${token}` }),
    ...(body !== undefined && { 'content-type': 'application/json' }),
  };
  const sent = request(url, { agent, method, headers }, (response) => {
    text(response).then((received) => {
      const parsed = (received === '' ? {} : JSON.parse(received)) as Record<string, unknown>;
      resolve({ status: response.statusCode ?? 0, body: parsed });
    }, reject);
  });
  sent.on('error', reject);
  sent.end(body === undefined ? undefined : JSON.stringify(body));
  return promise;
}
