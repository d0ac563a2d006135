import type { CallContext } from '../../../ports/call-context.ts';
import type { Clock } from '../../../ports/clock.ts';
import type { ProviderConnection } from '../../../ports/secret-provider.ts';
import type { AwsAccount } from '../client/aws-account.ts';
import { parseOptions } from '../../parse-options.ts';
import { checkIdentity } from './check.ts';
import { awsIamMountOptions } from '../config.ts';
import { AwsIamProvider } from './provider.ts';

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
