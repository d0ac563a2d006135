/** Nine closed kinds of failure. Only `api/answer/error-answer.ts` maps a kind to an HTTP status. */
export type ErrorKind =
  | 'invalid'
  | 'unauthenticated'
  | 'denied'
  | 'not_found'
  | 'method'
  | 'conflict'
  | 'precondition'
  | 'too_large'
  | 'unsupported_media'
  | 'limited'
  | 'upstream'
  | 'timeout'
  | 'unavailable'
  | 'internal';

interface ErrorRow {
  readonly kind: ErrorKind;
  readonly title: string;
}

/** All failures that a caller can see. Codes are the contract and never change; titles are for people. docs/errors.md explains each. */
export const ERRORS = {
  ERR_REQUEST_INVALID: { kind: 'invalid', title: 'The request is not valid' },
  ERR_PATH_INVALID: { kind: 'invalid', title: 'The path is not valid' },
  ERR_BODY_INVALID: { kind: 'invalid', title: 'The body is not valid' },
  ERR_UNKNOWN_FIELD: { kind: 'invalid', title: 'The body has a field that is not known' },
  ERR_POLICY_INVALID: { kind: 'invalid', title: 'The policy is not valid' },
  ERR_TOKEN_INVALID: { kind: 'unauthenticated', title: 'The credential is not accepted' },
  ERR_UNAUTHENTICATED: { kind: 'unauthenticated', title: 'A valid token is needed' },
  ERR_STEP_UP_REQUIRED: {
    kind: 'unauthenticated',
    title: 'A more recent or stronger login is needed',
  },
  ERR_DENIED: { kind: 'denied', title: 'Not allowed' },
  ERR_NO_ROLE: { kind: 'denied', title: 'No role binding gives this person a role' },
  ERR_APPROVAL_REQUIRED: { kind: 'denied', title: 'Another admin must approve this first' },
  ERR_POSTURE_DENIED: { kind: 'denied', title: 'The pod is not fit for this secret' },
  ERR_POSTURE_PENDING: { kind: 'unavailable', title: 'It is not known yet whether the pod is fit' },
  ERR_SUSPENDED: { kind: 'unavailable', title: 'New secrets wait for the decision of an operator' },
  ERR_NOT_FOUND: { kind: 'not_found', title: 'Not found' },
  ERR_METHOD: { kind: 'method', title: 'The method is not allowed here' },
  ERR_CONFLICT: { kind: 'conflict', title: 'The state does not allow this' },
  ERR_VERSION_CONFLICT: { kind: 'precondition', title: 'The version is not the current one' },
  ERR_PRECONDITION_REQUIRED: { kind: 'precondition', title: 'If-Match or If-None-Match is needed' },
  ERR_IDEMPOTENCY_MISMATCH: {
    kind: 'conflict',
    title: 'The idempotency key was used for another request',
  },
  ERR_BODY_TOO_LARGE: { kind: 'too_large', title: 'The request is too large' },
  ERR_HEADERS_TOO_LARGE: { kind: 'too_large', title: 'The headers are too many or too large' },
  ERR_MEDIA_TYPE: {
    kind: 'unsupported_media',
    title:
      'The body must be JSON in UTF-8: send Content-Type: application/json and no Content-Encoding',
  },
  ERR_RATE_LIMITED: { kind: 'limited', title: 'Too many requests' },
  ERR_LEASE_QUOTA: { kind: 'limited', title: 'Too many live leases' },
  ERR_PROVIDER_FAILED: { kind: 'upstream', title: 'The backend answered with an error' },
  ERR_PROVIDER_MALFORMED: {
    kind: 'upstream',
    title: 'The backend answered with something unusable',
  },
  ERR_PROVIDER_DENIED: { kind: 'upstream', title: 'The backend refused the broker' },
  ERR_PROVIDER_TIMEOUT: { kind: 'timeout', title: 'The backend did not answer in time' },
  ERR_PROVIDER_UNAVAILABLE: { kind: 'unavailable', title: 'The backend cannot be reached' },
  ERR_IDENTITY_UNAVAILABLE: { kind: 'unavailable', title: 'The identity cannot be checked now' },
  ERR_AUDIT_UNAVAILABLE: { kind: 'unavailable', title: 'The request could not be recorded' },
  ERR_AUDIT_UNACKNOWLEDGED: {
    kind: 'unavailable',
    title: 'A receiver of the audit log did not acknowledge the entry',
  },
  ERR_STORE_UNAVAILABLE: { kind: 'unavailable', title: 'The store cannot be reached' },
  ERR_OUTCOME_UNKNOWN: {
    kind: 'unavailable',
    title: 'The outcome is not known; repeat with the same idempotency key',
  },
  ERR_BUSY: { kind: 'unavailable', title: 'The broker is busy' },
  ERR_SEALED: { kind: 'unavailable', title: 'The keys are not available' },
  ERR_HELD: { kind: 'unavailable', title: 'The store is held until an operator looks at it' },
  ERR_CIPHERTEXT_INVALID: { kind: 'internal', title: 'The stored data failed its integrity check' },
  ERR_CONFIG_INVALID: { kind: 'internal', title: 'The configuration is not valid' },
  ERR_INTERNAL: { kind: 'internal', title: 'Internal error' },
} as const satisfies Record<`ERR_${string}`, ErrorRow>;

export type ErrorCode = keyof typeof ERRORS;

export interface BrokerErrorOptions {
  /** Logged under the request id; never leaves the process. */
  readonly cause?: unknown;
  /** Stable short reason for the audit entry (`bad_alg`, `aud_mismatch`, …); never shown to an unauthenticated caller. */
  readonly reason?: string;
  /** Infinity if no time helps: the answer then names none. */
  readonly retryAfterSeconds?: number;
  /** Parameters of the `WWW-Authenticate` of the answer, if they say more than the form of the request does. */
  readonly challenge?: string;
  /** Problems of a document; shown to the caller. */
  readonly problems?: readonly Problem[];
  /** The caller's role may see the detail of the error; other callers see only its title. */
  readonly isDetailShown?: boolean;
}

/** The other side at which something happened. */
export interface Peer {
  readonly cluster?: string | undefined;
  readonly connection?: string | undefined;
}

/** One problem of a document: its place (JSON pointer, and line and column if the text is known) and a message. */
export interface Problem {
  readonly pointer: string;
  readonly message: string;
  readonly line?: number;
  readonly column?: number;
}

/** The only error that crosses rooms. `detail` may be shown to the caller; `cause` and `reason` may not. */
export class BrokerError extends Error {
  readonly code: ErrorCode;
  readonly detail: string | undefined;
  readonly reason: string | undefined;
  readonly retryAfterSeconds: number | undefined;
  readonly problems: readonly Problem[] | undefined;
  readonly challenge: string | undefined;
  readonly isDetailShown: boolean;
  #peer: Peer = {};

  constructor(code: ErrorCode, detail?: string, options: BrokerErrorOptions = {}) {
    super(detail ?? ERRORS[code].title, { cause: options.cause });
    this.name = 'BrokerError';
    this.code = code;
    this.detail = detail;
    this.reason = options.reason;
    this.retryAfterSeconds = options.retryAfterSeconds;
    this.problems = options.problems;
    this.challenge = options.challenge;
    this.isDetailShown = options.isDetailShown === true;
  }

  /** Returns a BrokerError unchanged. Any other error becomes ERR_INTERNAL, and only the log sees the original as its cause. */
  static from(error: unknown): BrokerError {
    return error instanceof BrokerError
      ? error
      : new BrokerError('ERR_INTERNAL', undefined, { cause: error });
  }

  get kind(): ErrorKind {
    return ERRORS[this.code].kind;
  }

  /** The cluster and connection of the failure, for the log of operators. Callers do not see it. */
  get peer(): Peer {
    return this.#peer;
  }

  /** Adds the cluster or connection of the failure; the first name stays. */
  at(peer: Peer): this {
    this.#peer = { ...peer, ...this.#peer };
    return this;
  }
}
