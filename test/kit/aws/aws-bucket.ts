import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { REGION } from './aws-connection.ts';
import { uniqueName } from '../backends/unique-name.ts';

export async function createBucket(endpoint: string): Promise<string> {
  const client = new S3Client({ region: REGION, endpoint, forcePathStyle: true });
  const Bucket = uniqueName('bucket');
  try {
    await client.send(
      new CreateBucketCommand({
        Bucket,
        CreateBucketConfiguration: { LocationConstraint: REGION },
      }),
    );
    return Bucket;
  } finally {
    client.destroy();
  }
}
