/** Names of errors by which AWS refuses the caller, and not one request; it has no one name for them. */
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

/** Of the SDK, if it finds no credentials. */
export const AWS_NO_CREDENTIALS: readonly string[] = [
  'CredentialsProviderError',
  'TokenProviderError',
];
