import type {
  BatchGetSecretValueRequest,
  BatchGetSecretValueResponse,
  GetSecretValueRequest,
  GetSecretValueResponse,
  ListSecretsRequest,
  ListSecretsResponse,
} from '@aws-sdk/client-secrets-manager';

/**
 * AWS Secrets Manager of one account and region. One attempt a call, answers bounded. Failures are BrokerErrors: ERR_NOT_FOUND,
 * ERR_PROVIDER_DENIED, ERR_PROVIDER_UNAVAILABLE (`throttled`, no connection, 503), ERR_PROVIDER_TIMEOUT, ERR_PROVIDER_MALFORMED,
 * ERR_PROVIDER_FAILED (`refused` for a 4xx); `cause` is an `AwsRefusal`.
 */
export interface SecretsManagerApi {
  getSecretValue(
    request: GetSecretValueRequest,
    signal: AbortSignal,
  ): Promise<GetSecretValueResponse>;
  batchGetSecretValue(
    request: BatchGetSecretValueRequest,
    signal: AbortSignal,
  ): Promise<BatchGetSecretValueResponse>;
  listSecrets(request: ListSecretsRequest, signal: AbortSignal): Promise<ListSecretsResponse>;
  close(): void;
}
