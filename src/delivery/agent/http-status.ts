import { HttpClient } from '../../net/https/http-client.ts';

/** One request with an empty body; redirects are not followed and the body of the answer is not read. @throws as `HttpClient.open` */
export async function httpStatus(
  { method, url }: { readonly method: string; readonly url: URL },
  signal: AbortSignal,
): Promise<number> {
  const tls = url.protocol === 'http:' ? 'off' : {};
  const client = new HttpClient({ tls, keepAlive: false });
  try {
    const { statusCode = 0 } = await client.open({ method, url, body: '', signal });
    return statusCode;
  } finally {
    client.close();
  }
}

export function isSuccess(status: number): boolean {
  return status >= 200 && status < 300;
}
