import type * as S3Sdk from '@aws-sdk/client-s3';
import { clientOptions } from './client-options.ts';

export interface BucketConfig {
  readonly bucket: string;
  readonly prefix?: string | undefined;
  readonly region: string;
  readonly endpoint?: string | undefined;
  readonly profile?: string | undefined;
}

/** An answer other than an object is short. */
const MAX_ANSWER_BYTES = 256 * 1024;

/** Loads the SDK for a bucket of S3 or of S3-compatible storage; opens no connection yet. */
export async function bucketClient(
  config: BucketConfig,
  maxAttempts: number,
): Promise<{ readonly sdk: typeof S3Sdk; readonly client: S3Sdk.S3Client }> {
  const sdk = await import('@aws-sdk/client-s3');
  const client = new sdk.S3Client({
    ...clientOptions(config, MAX_ANSWER_BYTES),
    maxAttempts,
    // Other servers than AWS's have no host name for each bucket.
    forcePathStyle: config.endpoint !== undefined,
    // Not every server knows these checksums. The readers verify what they read by themselves.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
  });
  return { sdk, client };
}

/** `s3://bucket/prefix` */
export function bucketName({ bucket, prefix }: BucketConfig): string {
  return `s3://${bucket}${prefix === undefined ? '' : `/${prefix}`}`;
}

/** The name of an object below the prefix. */
export function objectKey({ prefix }: BucketConfig, name: string): string {
  return prefix === undefined ? name : `${prefix}/${name}`;
}

/** The error code of the server, or the kind of failure: `AccessDenied`, `NoSuchBucket`, `TimeoutError`. Its message may contain anything. */
export function failureName(error: unknown): string {
  const { name, code } = error as { readonly name?: unknown; readonly code?: unknown };
  return [name, code].find((each) => typeof each === 'string' && each !== 'Error') as string;
}
