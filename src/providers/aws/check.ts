import { BrokerError, type ErrorCode } from '../../domain/errors.ts';
import type { CallContext } from '../../ports/call-context.ts';
import type { CheckReport } from '../../ports/secret-provider.ts';
import { AwsRefusal } from './errors.ts';
import type { AwsSecretsManagerConfig } from './config.ts';
import type { GuardedSecrets } from './client/secrets-manager.ts';
import type { AwsAccount } from './client/account.ts';

type Place = Pick<AwsSecretsManagerConfig, 'region' | 'endpoint' | 'profile'>;

/** Lists one name below `prefix`: cheap, and it fails unless endpoint, credential and permission are right. */
export async function checkSecrets(
  secrets: GuardedSecrets,
  place: Place,
  prefix: string,
  context: CallContext,
): Promise<CheckReport> {
  const tried = `ListSecrets in ${place.region}${place.endpoint === undefined ? '' : ` at ${place.endpoint}`}`;
  try {
    const { entries } = await secrets.names(prefix, { next: undefined, limit: 1 }, context);
    if (entries.length > 0 || prefix === '') {
      return { healthy: true, findings: [`${tried}: answered`] };
    }
    const finding = `${tried}: no secret's name begins with "${prefix}"; check namePrefix, account and region`;
    return { healthy: true, findings: [finding] };
  } catch (error) {
    return { healthy: false, findings: [`${tried}: ${explain(error, place)}`] };
  }
}

const ADVICE: Partial<Record<ErrorCode, string>> = {
  ERR_PROVIDER_TIMEOUT: 'no answer in time: check routes, security groups and the VPC endpoint',
  ERR_PROVIDER_UNAVAILABLE: 'cannot be reached: check name resolution, routes and the endpoint',
  ERR_PROVIDER_MALFORMED: 'what answered is not AWS Secrets Manager: check the endpoint',
};

function explain(error: unknown, { profile }: Place): string {
  if (!(error instanceof BrokerError)) return 'failed';
  const name = error.cause instanceof AwsRefusal ? error.cause.errorName : 'no answer';
  const who = profile === undefined ? 'the default credential chain' : `profile ${profile}`;
  if (name === 'CredentialsProviderError') {
    return `no credentials from ${who}: give the pod a role (IRSA, Pod Identity) or name a profile`;
  }
  if (error.code === 'ERR_PROVIDER_DENIED') {
    return `refused (${name}): check the credentials of ${who}, and that its role is allowed secretsmanager:ListSecrets`;
  }
  if (error.reason === 'throttled')
    return `throttled (${name}): lower limits.maxConcurrent or raise the quota`;
  return `${ADVICE[error.code] ?? 'failed: check region and endpoint'} (${name})`;
}

const ARN = /^arn:[\w:/+=,.@-]{1,2048}$/;

/** Asks STS for the identity of the broker. The roles that it may assume show only when it assumes them. */
export async function checkIdentity(
  account: AwsAccount,
  context: CallContext,
): Promise<CheckReport> {
  const tried = `GetCallerIdentity in ${account.region}`;
  try {
    const arn = await account.fetchIdentity(undefined, context);
    const who = ARN.test(arn) ? arn : 'an identity that cannot be read';
    return { healthy: true, findings: [`${tried}: the broker is ${who}`] };
  } catch (error) {
    return { healthy: false, findings: [`${tried}: ${explainIdentity(error)}`] };
  }
}

function explainIdentity(error: unknown): string {
  const name =
    error instanceof BrokerError && error.cause instanceof AwsRefusal
      ? error.cause.errorName
      : 'no answer';
  const isDenied = error instanceof BrokerError && error.code === 'ERR_PROVIDER_DENIED';
  return isDenied
    ? `refused (${name}): give the pod a role (IRSA, Pod Identity) or name a profile`
    : `failed (${name}): check region, stsEndpoint, routes and the VPC endpoint`;
}
