import { CreateSecretCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import type { Moto } from '../../test/kit/backends/moto.ts';

export async function createAwsSecret(moto: Moto, name: string, text: string): Promise<void> {
  const { endpoint, region, accessKeyId, secretAccessKey } = moto;
  const credentials = { accessKeyId, secretAccessKey };
  const client = new SecretsManagerClient({ endpoint, region, credentials });
  await client.send(new CreateSecretCommand({ Name: name, SecretString: text }));
  client.destroy();
}
