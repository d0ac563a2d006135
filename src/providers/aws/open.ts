import type { CallContext } from '../../ports/call-context.ts';
import type { Clock } from '../../ports/clock.ts';
import type { CheckReport, ProviderConnection } from '../../ports/secret-provider.ts';
import { connectSecretsManager } from './client/secrets-manager.ts';
import { SecretRotation } from './client/secret-rotation.ts';
import { createGuard } from '../guard/guard.ts';
import { parseOptions } from '../parse-options.ts';
import { checkSecrets } from './check.ts';
import { awsMountOptions, type AwsSecretsManagerConfig } from './secrets-manager/config.ts';
import { GuardedSecrets } from './client/guarded-secrets.ts';
import { AwsSecretsProvider } from './secrets/provider.ts';

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
