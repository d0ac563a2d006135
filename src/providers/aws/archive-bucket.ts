import type { IncomingMessage } from 'node:http';
import type * as S3Sdk from '@aws-sdk/client-s3';
import { BrokerError } from '../../domain/errors.ts';
import type { ArchiveStorage } from '../../ports/archive-storage.ts';
import type { Clock } from '../../ports/clock.ts';
import { withDeadline } from '../../ports/deadline.ts';
import { readBody } from '../../net/https/read-body.ts';
import { UnusableAnswer } from '../../net/https/unusable-answer.ts';
import {
  bucketClient,
  bucketName,
  failureName,
  objectKey,
  type BucketConfig,
} from './client/bucket-client.ts';

const MOST_ATTEMPTS = 3;
/** Deadline of the transfer of one object, which may have many megabytes. */
const OBJECT_MS = 600_000;

/** Objects of the archive in a bucket of S3 or of S3-compatible storage. Loads the SDK; opens no connection yet. */
export async function archiveBucket(
  config: BucketConfig,
  clock: Pick<Clock, 'after'>,
): Promise<ArchiveStorage> {
  const { sdk, client } = await bucketClient(config, MOST_ATTEMPTS);
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

  constructor(parts: BucketParts) {
    this.#parts = parts;
    this.name = bucketName(parts.config);
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
      if (failureName(error) === 'NoSuchKey') return undefined;
      throw this.#failed(`the archive object ${name} could not be read`, error);
    }
  }

  #place(name: string): { readonly Bucket: string; readonly Key: string } {
    const { config } = this.#parts;
    return { Bucket: config.bucket, Key: objectKey(config, name) };
  }

  #failed(what: string, cause: unknown): BrokerError {
    if (cause instanceof BrokerError) return cause;
    const detail = `${this.name}: ${what}: ${failureName(cause)}`;
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
