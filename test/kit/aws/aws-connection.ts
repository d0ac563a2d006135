import { systemClock } from '../../../src/process/clock.ts';
import type { CallContext } from '../../../src/ports/call-context.ts';
import { awsSecretsManagerConnectionSchema } from '../../../src/providers/aws/config.ts';
import { openAwsSecretsManager } from '../../../src/providers/aws/open.ts';
import { closableProvider, type ClosableProvider } from '../providers/closable-provider.ts';
import { PATIENT } from '../providers/longest-timeout.ts';

export const REGION = 'eu-central-1';
export const CONTEXT: CallContext = { requestId: 'req-1', signal: new AbortController().signal };

/** Loopback servers accept any pair. The SDK finds it in the environment, as an operator would set it. */
export function setCredentials(): void {
  process.env['AWS_ACCESS_KEY_ID'] = 'AKIAIOSFODNN7EXAMPLE';
  process.env['AWS_SECRET_ACCESS_KEY'] = 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY';
}

export async function connect(endpoint: string, limits: object = {}): Promise<ClosableProvider> {
  const config = awsSecretsManagerConnectionSchema.parse({
    type: 'aws-secrets-manager',
    region: REGION,
    endpoint,
    limits: { ...PATIENT, ...limits },
    locators: ['**'],
  });
  return closableProvider(
    await openAwsSecretsManager('aws', config, { clock: systemClock, connection: 'backend' }),
  );
}
