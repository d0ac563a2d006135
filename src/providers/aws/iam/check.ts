import { BrokerError } from '../../../domain/errors.ts';
import type { CallContext } from '../../../ports/call-context.ts';
import type { CheckReport } from '../../../ports/secret-provider.ts';
import type { AwsAccount } from '../client/aws-account.ts';
import { AwsRefusal } from '../errors.ts';

const ARN = /^arn:[\w:/+=,.@-]{1,2048}$/;

/** Asks STS as whom the broker is known; which roles it may assume shows only when it does. */
export async function checkIdentity(
  account: AwsAccount,
  context: CallContext,
): Promise<CheckReport> {
  const tried = `GetCallerIdentity in ${account.region}`;
  try {
    const arn = await account.identityOf(undefined, context);
    const who = ARN.test(arn) ? arn : 'somebody whose name cannot be read';
    return { healthy: true, findings: [`${tried}: the broker is ${who}`] };
  } catch (error) {
    return { healthy: false, findings: [`${tried}: ${explain(error)}`] };
  }
}

function explain(error: unknown): string {
  const name =
    error instanceof BrokerError && error.cause instanceof AwsRefusal
      ? error.cause.errorName
      : 'no answer';
  const isDenied = error instanceof BrokerError && error.code === 'ERR_PROVIDER_DENIED';
  return isDenied
    ? `refused (${name}): give the pod a role (IRSA, Pod Identity) or name a profile`
    : `failed (${name}): check region, stsEndpoint, routes and the VPC endpoint`;
}
