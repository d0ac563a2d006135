/** Names of errors by which AWS refuses the caller itself, and not one request; AWS uses several names for this. */
export const AWS_NOT_ACCEPTED: readonly string[] = [
  'ExpiredToken',
  'ExpiredTokenException',
  'IncompleteSignature',
  'IncompleteSignatureException',
  'InvalidClientTokenId',
  'InvalidSignatureException',
  'MissingAuthenticationToken',
  'MissingAuthenticationTokenException',
  'NotAuthorized',
  'OptInRequired',
  'SignatureDoesNotMatch',
  'UnrecognizedClientException',
];

/** Errors of the SDK if it finds no credentials. */
export const AWS_NO_CREDENTIALS: readonly string[] = [
  'CredentialsProviderError',
  'TokenProviderError',
];
