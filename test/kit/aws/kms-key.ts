import { CreateKeyCommand, KMSClient } from '@aws-sdk/client-kms';
import { REGION } from './aws-connection.ts';

/** Creates a symmetric key in KMS. @returns its ARN */
export async function createKmsKey(endpoint: string): Promise<string> {
  const client = new KMSClient({ region: REGION, endpoint });
  try {
    const { KeyMetadata } = await client.send(new CreateKeyCommand({}));
    return KeyMetadata?.Arn ?? '';
  } finally {
    client.destroy();
  }
}
