/** The facts of a request that a credential needs. */
export interface RequestFacts {
  readonly method: string;
  /** URL of the request: scheme, host and path, without the query (RFC 9449, `htu`). */
  readonly url: string;
  /** Time of sending, in milliseconds since the epoch. */
  readonly at: number;
}

/** Additions of a credential to one attempt of a request. */
export interface Authorization {
  readonly headers: Readonly<Record<string, string>>;
  /**
   * Decrypts the encrypted answer (a compact JWE) to this attempt. If it is set, an answer in the clear is refused where the
   * contract allows encryption.
   * @throws UnreachableError, without any of the response, if the response is not for this try
   */
  readonly open?: ((sealed: string) => Promise<string>) | undefined;
}

/** Authenticates the caller, separately for each attempt. */
export interface Credential {
  authorize(request: RequestFacts): Promise<Authorization>;
}

const TOKEN = /^[!-~]+$/;

/**
 * Creates a credential `Authorization: Bearer`, with a token of an operator (`qmo_…`) or of a session (`qms_…`).
 * @throws TypeError for a text that is not valid in a header, such as one with a final newline; the message does not contain it
 */
export function bearer(token: string): Credential {
  if (!TOKEN.test(token)) throw new TypeError('the token is empty or contains invalid characters');
  const authorization: Authorization = { headers: { authorization: `Bearer ${token}` } };
  return { authorize: () => Promise.resolve(authorization) };
}

/** Credential of operations without a token: the login and the probes. */
export const anonymous: Credential = { authorize: () => Promise.resolve({ headers: {} }) };
