import type {
  BatchGetSecretValueRequest,
  BatchGetSecretValueResponse,
  CancelRotateSecretRequest,
  DescribeSecretRequest,
  DescribeSecretResponse,
  GetSecretValueRequest,
  GetSecretValueResponse,
  ListSecretsRequest,
  ListSecretsResponse,
  PutSecretValueRequest,
  PutSecretValueResponse,
  RotateSecretRequest,
  UpdateSecretVersionStageRequest,
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
  putSecretValue(
    request: PutSecretValueRequest,
    signal: AbortSignal,
  ): Promise<PutSecretValueResponse>;
  describeSecret(
    request: DescribeSecretRequest,
    signal: AbortSignal,
  ): Promise<DescribeSecretResponse>;
  rotateSecret(request: RotateSecretRequest, signal: AbortSignal): Promise<void>;
  cancelRotateSecret(request: CancelRotateSecretRequest, signal: AbortSignal): Promise<void>;
  updateSecretVersionStage(
    request: UpdateSecretVersionStageRequest,
    signal: AbortSignal,
  ): Promise<void>;
  close(): void;
}
