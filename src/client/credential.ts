/** A request as far as a credential needs it. */
export interface RequestFacts {
  readonly method: string;
  /** Scheme, host and path, without the query (RFC 9449, `htu`). */
  readonly url: string;
  /** When it is sent, in milliseconds since the epoch. */
  readonly at: number;
}

/** What one try of one request carries. */
export interface Authorization {
  readonly headers: Readonly<Record<string, string>>;
  /**
   * Opens a sealed answer (a compact JWE) to this try; an answer that should be sealed and is not is then refused.
   * @throws UnreachableError, with nothing of the answer in it, where it is not for this try
   */
  readonly open?: ((sealed: string) => Promise<string>) | undefined;
}

/** Says who calls. Asked anew for each try. */
export interface Credential {
  authorize(request: RequestFacts): Promise<Authorization>;
}

const TOKEN = /^[!-~]+$/;

/**
 * `Authorization: Bearer`, with a token of an operator (`qmo_…`) or of a session (`qms_…`).
 * @throws TypeError for a text that no header can hold, a file's last newline included; the text is not in it.
 */
export function bearer(token: string): Credential {
  if (!TOKEN.test(token)) throw new TypeError('the token has characters that no token has');
  const authorization: Authorization = { headers: { authorization: `Bearer ${token}` } };
  return { authorize: () => Promise.resolve(authorization) };
}

/** For what needs no token: the login, and the operations for probes. */
export const nobody: Credential = { authorize: () => Promise.resolve({ headers: {} }) };
