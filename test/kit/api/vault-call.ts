/** An answer of the listener for clients of the Vault HTTP API. */
export interface VaultAnswer {
  readonly status: number;
  readonly headers: Headers;
  // oxlint-disable-next-line typescript/no-explicit-any -- tests look into answers of many shapes
  readonly body: any;
}

export interface VaultCall {
  readonly token?: string;
  /** An object is sent as JSON, a string unchanged; without a media type, as Go clients do. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Sends a request below `/v1/` and reads the JSON of its answer. */
export async function vaultCall(
  port: number,
  method: string,
  path: string,
  { token, body, headers = {} }: VaultCall = {},
): Promise<VaultAnswer> {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  const response = await fetch(`http://127.0.0.1:${port}/v1/${path}`, {
    method,
    redirect: 'manual',
    headers: { ...(token !== undefined && { 'X-Vault-Token': token }), ...headers },
    // A buffer has no media type of its own.
    ...(body !== undefined && { body: Buffer.from(text) }),
  });
  const answered = await response.text();
  const parsed: unknown = answered === '' ? undefined : JSON.parse(answered);
  return { status: response.status, headers: response.headers, body: parsed };
}
