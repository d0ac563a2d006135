import type { Backend } from '../../ports/backend.ts';
import type { CallContext } from '../../ports/call-context.ts';
import type { Clock } from '../../ports/clock.ts';
import type { CheckReport } from '../../ports/secret-provider.ts';
import { createGuard, type GuardParts } from '../guard/guard.ts';
import { parseOptions } from '../parse-options.ts';
import { unknownStrategy } from '../rotator/options.ts';
import { checkIdentity, checkSecrets } from './check.ts';
import { connectAwsAccount, type AwsAccount } from './client/account.ts';
import { connectSecretsManager, GuardedSecrets } from './client/secrets-manager.ts';
import {
  accessKeysOptions,
  awsIamMountOptions,
  awsMountOptions,
  ownRotationOptions,
  type AwsIamConfig,
  type AwsSecretsManagerConfig,
} from './config.ts';
import { AwsIamProvider } from './credentials.ts';
import { AccessKeys } from './rotator/access-keys.ts';
import { OwnRotation, SecretRotation } from './rotator/own-rotation.ts';
import { AwsSecretsProvider } from './secrets/provider.ts';

type OpenedAws = Required<Pick<Backend, 'provider' | 'rotation' | 'calls' | 'close'>>;

/** Secrets of one account and region, and AWS's own rotation of them. Loads the SDK; opens no connection yet. */
export async function openAwsSecretsManager(
  name: string,
  config: AwsSecretsManagerConfig,
  deps: GuardParts,
): Promise<OpenedAws> {
  const kind = 'aws-secrets-manager';
  const api = await connectSecretsManager(config);
  const guard = createGuard(config.limits, deps);
  const secrets = new GuardedSecrets(api, guard);
  const check = (prefix: string, context: CallContext): Promise<CheckReport> =>
    checkSecrets(secrets, config, prefix, context);
  return {
    provider: {
      name,
      kind,
      mount: (options) =>
        new AwsSecretsProvider(secrets, parseOptions(awsMountOptions, options), check),
      check: (context) => check('', context),
    },
    rotation: {
      name,
      kind,
      target(strategy, options) {
        if (strategy !== 'own-rotation') throw unknownStrategy(['own-rotation']);
        const { name: secret } = parseOptions(ownRotationOptions, options);
        return new OwnRotation(new SecretRotation(api, guard, secret), secret, deps.clock);
      },
    },
    calls: () => guard.state(),
    close: () => api.close(),
  };
}

/** Roles of one account to assume, and access keys of its users to rotate. Loads the SDKs; opens no connection yet. */
export async function openAwsIam(
  name: string,
  config: AwsIamConfig,
  deps: GuardParts,
): Promise<OpenedAws> {
  const account = await connectAwsAccount(config, createGuard(config.limits, deps));
  return awsIamAt(name, account, deps.clock);
}

/** The backend of an account that is already connected. */
export function awsIamAt(name: string, account: AwsAccount, clock: Clock): OpenedAws {
  const kind = 'aws-iam';
  return {
    provider: {
      name,
      kind,
      mount: (options) =>
        new AwsIamProvider(account, parseOptions(awsIamMountOptions, options), clock),
      check: (context) => checkIdentity(account, context),
    },
    rotation: {
      name,
      kind,
      target(strategy, options) {
        if (strategy !== 'access-keys') throw unknownStrategy(['access-keys']);
        return new AccessKeys(account, parseOptions(accessKeysOptions, options), clock);
      },
    },
    calls: () => account.calls(),
    close: () => account.close(),
  };
}
