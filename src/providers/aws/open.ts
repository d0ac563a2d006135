import type { CallContext } from '../../ports/call-context.ts';
import type { Clock } from '../../ports/clock.ts';
import type { CheckReport, ProviderConnection } from '../../ports/secret-provider.ts';
import { connectSecretsManager, GuardedSecrets } from './client/secrets-manager.ts';
import { SecretRotation } from './rotator/own-rotation.ts';
import { createGuard } from '../guard/guard.ts';
import { parseOptions } from '../parse-options.ts';
import { checkSecrets, checkIdentity } from './check.ts';
import { awsMountOptions, type AwsSecretsManagerConfig, awsIamMountOptions } from './config.ts';
import { AwsSecretsProvider } from './secrets/provider.ts';
import type { AwsAccount } from './client/account.ts';
import { AwsIamProvider } from './credentials.ts';

/** Secrets of one account and region, and AWS's own rotation of them under the same guard. */
export interface AwsSecretsConnection extends ProviderConnection {
  rotationOf(secret: string): SecretRotation;
}

/** Loads the SDK; opens no connection yet. */
export async function connectAwsSecretsManager(
  name: string,
  config: AwsSecretsManagerConfig,
  { clock }: { readonly clock: Clock },
): Promise<AwsSecretsConnection> {
  const api = await connectSecretsManager(config);
  const guard = createGuard(config.limits, { clock });
  const secrets = new GuardedSecrets(api, guard);
  const check = (prefix: string, context: CallContext): Promise<CheckReport> =>
    checkSecrets(secrets, config, prefix, context);
  return {
    name,
    kind: 'aws-secrets-manager',
    mount: (options: unknown) =>
      new AwsSecretsProvider(secrets, parseOptions(awsMountOptions, options), check),
    rotationOf: (secret) => new SecretRotation(api, guard, secret),
    check: (context: CallContext) => check('', context),
    close: () => {
      api.close();
      return Promise.resolve();
    },
  };
}

/** Roles that the broker may assume for workloads. Opens nothing; `close` ends the account's sockets. */
export function connectAwsIam(name: string, account: AwsAccount, clock: Clock): ProviderConnection {
  return {
    name,
    kind: 'aws-iam',
    mount: (options: unknown) =>
      new AwsIamProvider(account, parseOptions(awsIamMountOptions, options), clock),
    check: (context: CallContext) => checkIdentity(account, context),
    close: () => {
      account.close();
      return Promise.resolve();
    },
  };
}
