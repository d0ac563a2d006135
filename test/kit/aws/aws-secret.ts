import { CreateSecretCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import type { Backends } from '../backends/fleet.ts';

/** Puts a secret into the AWS emulator by a signed call. */
export async function createAwsSecret(
  { endpoint, region, accessKeyId, secretAccessKey }: Backends['moto'],
  name: string,
  text: string,
): Promise<void> {
  const client = new SecretsManagerClient({
    endpoint,
    region,
    credentials: { accessKeyId, secretAccessKey },
  });
  try {
    await client.send(new CreateSecretCommand({ Name: name, SecretString: text }));
  } finally {
    client.destroy();
  }
}
