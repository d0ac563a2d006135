import type { IncomingMessage } from 'node:http';
import type * as S3Sdk from '@aws-sdk/client-s3';
import { BrokerError } from '../../domain/errors.ts';
import type { ArchiveStorage } from '../../ports/archive-storage.ts';
import type { Clock } from '../../ports/clock.ts';
import { withDeadline } from '../../ports/deadline.ts';
import { readBody } from '../../net/https/read-body.ts';
import { UnusableAnswer } from '../../net/https/unusable-answer.ts';
import { clientOptions } from './client/client-options.ts';

export interface BucketConfig {
  readonly bucket: string;
  readonly prefix?: string | undefined;
  readonly region: string;
  readonly endpoint?: string | undefined;
  readonly profile?: string | undefined;
}

/** An answer other than an object is short. */
const MAX_ANSWER_BYTES = 256 * 1024;
const MOST_ATTEMPTS = 3;
/** Deadline of the transfer of one object, which may have many megabytes. */
const OBJECT_MS = 600_000;

/** Objects of the archive in a bucket of S3 or of S3-compatible storage. Loads the SDK; opens no connection yet. */
export async function archiveBucket(
  config: BucketConfig,
  clock: Pick<Clock, 'after'>,
): Promise<ArchiveStorage> {
  const sdk = await import('@aws-sdk/client-s3');
  const client = new sdk.S3Client({
    ...clientOptions(config, MAX_ANSWER_BYTES),
    maxAttempts: MOST_ATTEMPTS,
    // Other servers than AWS's have no host name for each bucket.
    forcePathStyle: config.endpoint !== undefined,
    // Not every server knows these checksums. The reader compares the SHA-256 of each object.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
  });
  return new ArchiveBucket({ sdk, client, config, clock });
}

interface BucketParts {
  readonly sdk: typeof S3Sdk;
  readonly client: S3Sdk.S3Client;
  readonly config: BucketConfig;
  readonly clock: Pick<Clock, 'after'>;
}

class ArchiveBucket implements ArchiveStorage {
  readonly name: string;
  readonly #parts: BucketParts;
  readonly #prefix: string;

  constructor(parts: BucketParts) {
    const { bucket, prefix } = parts.config;
    this.#parts = parts;
    this.#prefix = prefix === undefined ? '' : `${prefix}/`;
    this.name = `s3://${bucket}${prefix === undefined ? '' : `/${prefix}`}`;
  }

  async put(name: string, bytes: Uint8Array): Promise<void> {
    const { sdk, client, clock } = this.#parts;
    const command = new sdk.PutObjectCommand({ ...this.#place(name), Body: bytes });
    try {
      await withDeadline(clock, OBJECT_MS, (abortSignal) => client.send(command, { abortSignal }));
    } catch (error) {
      throw this.#failed(`the archive object ${name} could not be written`, error);
    }
  }

  async get(name: string, maxBytes: number): Promise<Uint8Array | undefined> {
    const { sdk, client, clock } = this.#parts;
    const command = new sdk.GetObjectCommand(this.#place(name));
    try {
      return await withDeadline(clock, OBJECT_MS, async (abortSignal) => {
        const { Body } = await client.send(command, { abortSignal });
        return readBounded(Body as IncomingMessage, maxBytes);
      });
    } catch (error) {
      if (nameOf(error) === 'NoSuchKey') return undefined;
      throw this.#failed(`the archive object ${name} could not be read`, error);
    }
  }

  #place(name: string): { readonly Bucket: string; readonly Key: string } {
    return { Bucket: this.#parts.config.bucket, Key: `${this.#prefix}${name}` };
  }

  #failed(what: string, cause: unknown): BrokerError {
    if (cause instanceof BrokerError) return cause;
    const detail = `${this.name}: ${what}: ${nameOf(cause)}`;
    return new BrokerError('ERR_PROVIDER_UNAVAILABLE', detail, { cause, isDetailShown: true });
  }
}

async function readBounded(body: IncomingMessage, maxBytes: number): Promise<Uint8Array> {
  try {
    return await readBody(body, maxBytes);
  } catch (error) {
    if (!(error instanceof UnusableAnswer) || error.reason !== 'body_too_large') throw error;
    throw new BrokerError(
      'ERR_CIPHERTEXT_INVALID',
      `an archive object has at most ${maxBytes} bytes; this one is longer`,
      { isDetailShown: true },
    );
  }
}

/** The error code of the server, or the kind of failure: `AccessDenied`, `NoSuchBucket`, `TimeoutError`. Its message may contain anything. */
function nameOf(error: unknown): string {
  const { name, code } = error as { readonly name?: unknown; readonly code?: unknown };
  return [name, code].find((each) => typeof each === 'string' && each !== 'Error') as string;
}
