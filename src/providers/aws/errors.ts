import { AWS_NO_CREDENTIALS, AWS_NOT_ACCEPTED } from '../../domain/secrets/aws-refusals.ts';
import { BrokerError, type ErrorCode } from '../../domain/errors.ts';

/** AWS request ids are UUIDs. Any other text is chosen by the server that answered, so it is dropped. */
const REQUEST_ID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/**
 * The kept part of a failure: a known error name, status and request id. The message is dropped, because AWS quotes the request, and
 * proxies write any text.
 */
export class AwsRefusal extends Error {
  override readonly name = 'AwsRefusal';
  readonly errorName: string;
  readonly status: number | undefined;

  constructor(errorName: string, status: number | undefined, requestId: string | undefined) {
    super(`${errorName}, status ${status ?? 'none'}, request ${requestId ?? 'unknown'}`);
    this.errorName = errorName;
    this.status = status;
  }
}

const ABSENT = new Set(['NoSuchEntity', 'NoSuchEntityException', 'ResourceNotFoundException']);
const DENIED = new Set([
  'AccessDenied',
  'AccessDeniedException',
  ...AWS_NOT_ACCEPTED,
  ...AWS_NO_CREDENTIALS,
]);
const THROTTLED = new Set([
  'BandwidthLimitExceeded',
  'RequestLimitExceeded',
  'RequestThrottled',
  'RequestThrottledException',
  'SlowDown',
  'Throttling',
  'ThrottlingException',
  'ThrottledException',
  'TooManyRequestsException',
]);
/** Names that help operators; the broker makes no decision on them. */
const OTHERS = new Set([
  'AbortError',
  'DecryptionFailure',
  'DeleteConflict',
  'DependencyTimeoutException',
  'DisabledException',
  'EncryptionFailure',
  'EntityAlreadyExists',
  'IncorrectKeyException',
  'InternalFailure',
  'InternalServerError',
  'InternalServiceError',
  'InternalServiceException',
  'InvalidCiphertextException',
  'InvalidKeyUsageException',
  'InvalidNextTokenException',
  'InvalidParameterException',
  'InvalidRequestException',
  'KMSAccessDeniedException',
  'KMSDisabledException',
  'KMSInternalException',
  'KMSInvalidStateException',
  'KMSNotFoundException',
  'KeyUnavailableException',
  'LimitExceeded',
  'LimitExceededException',
  'MalformedPolicyDocument',
  'MalformedPolicyDocumentException',
  'NotFoundException',
  'PackedPolicyTooLarge',
  'PackedPolicyTooLargeException',
  'PreconditionNotMetException',
  'RegionDisabledException',
  'ResourceExistsException',
  'ServiceFailure',
  'ServiceFailureException',
  'ServiceUnavailable',
  'ServiceUnavailableException',
  'SyntaxError',
  'TimeoutError',
  'UnmodifiableEntity',
  'ValidationError',
  'ValidationException',
]);
/** DNS, TCP and TLS codes of Node: they come from this process. */
const NO_CONNECTION = /^(?:E[A-Z_]+$|CERT_|DEPTH_|UNABLE_|SELF_SIGNED|HOSTNAME_|HPE_)/;

interface SdkError {
  readonly name?: unknown;
  readonly code?: unknown;
  readonly $metadata?: { readonly httpStatusCode?: unknown; readonly requestId?: unknown };
}

/** Converts a failure of an SDK call to a BrokerError that the guard can judge. Keeps nothing of the SDK's error object. */
export function awsError(error: unknown, signal: AbortSignal): BrokerError {
  if (error instanceof BrokerError) return error;
  const cause = refusalOf(error ?? {});
  const { errorName, status } = cause;
  if (signal.aborted || errorName === 'TimeoutError' || errorName === 'AbortError') {
    return new BrokerError('ERR_PROVIDER_TIMEOUT', undefined, { cause });
  }
  if (status === undefined && NO_CONNECTION.test(errorName)) {
    return new BrokerError('ERR_PROVIDER_UNAVAILABLE', undefined, { cause });
  }
  return answered(cause, errorName, status);
}

function refusalOf({ name, code, $metadata }: SdkError): AwsRefusal {
  const status = $metadata?.httpStatusCode;
  const isAnswered = typeof status === 'number';
  const isOurs = !isAnswered && typeof code === 'string' && NO_CONNECTION.test(code);
  const requestId = $metadata?.requestId;
  return new AwsRefusal(
    isOurs ? code : knownName(name),
    isAnswered ? status : undefined,
    typeof requestId === 'string' && REQUEST_ID.test(requestId) ? requestId : undefined,
  );
}

function knownName(name: unknown): string {
  const isKnown =
    typeof name === 'string' && [ABSENT, DENIED, THROTTLED, OTHERS].some((set) => set.has(name));
  return isKnown ? name : 'Unknown';
}

function answered(cause: AwsRefusal, name: string, status: number | undefined): BrokerError {
  const fail = (code: ErrorCode, reason?: string): BrokerError =>
    new BrokerError(code, undefined, { cause, ...(reason !== undefined && { reason }) });
  if (ABSENT.has(name)) return fail('ERR_NOT_FOUND');
  if (THROTTLED.has(name) || status === 429) return fail('ERR_PROVIDER_UNAVAILABLE', 'throttled');
  if (DENIED.has(name) || status === 401 || status === 403) return fail('ERR_PROVIDER_DENIED');
  if (status === 503) return fail('ERR_PROVIDER_UNAVAILABLE');
  if (status === undefined || status >= 500) return fail('ERR_PROVIDER_FAILED');
  if (status >= 400) return fail('ERR_PROVIDER_FAILED', 'refused');
  // The status was good, but the body breaks the protocol: the parser failed, or the answer was longer than its limit.
  return fail('ERR_PROVIDER_MALFORMED');
}

/** One SDK call; every failure is a BrokerError. */
export async function awsAttempt<T>(signal: AbortSignal, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw awsError(error, signal);
  }
}

/**
 * Converts an error of a read or a write: a secret that is scheduled for deletion answers InvalidRequestException, and
 * counts as not found.
 */
export function readError(error: unknown): unknown {
  if (!(error instanceof BrokerError) || !(error.cause instanceof AwsRefusal)) return error;
  if (error.cause.errorName !== 'InvalidRequestException') return error;
  return new BrokerError('ERR_NOT_FOUND', undefined, { cause: error.cause });
}

const ITEM_CODES: Readonly<Record<string, 'ERR_NOT_FOUND' | 'ERR_PROVIDER_DENIED'>> = {
  AccessDeniedException: 'ERR_PROVIDER_DENIED',
  InvalidRequestException: 'ERR_NOT_FOUND',
  ResourceNotFoundException: 'ERR_NOT_FOUND',
};

/** The failure of one secret in a batch answer. */
export function itemError(errorCode: unknown): BrokerError {
  const known = typeof errorCode === 'string' && Object.hasOwn(ITEM_CODES, errorCode);
  const code = known ? ITEM_CODES[errorCode] : undefined;
  return new BrokerError(code ?? 'ERR_PROVIDER_FAILED', undefined, { reason: 'batch_item' });
}
