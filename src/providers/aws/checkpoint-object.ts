import type { IncomingMessage } from 'node:http';
import type * as S3Sdk from '@aws-sdk/client-s3';
import { BrokerError } from '../../domain/errors.ts';
import { readBody } from '../../net/https/read-body.ts';
import type { CheckpointStorage } from '../../ports/checkpoint-storage.ts';
import type { Clock } from '../../ports/clock.ts';
import { withDeadline } from '../../ports/deadline.ts';
import {
  bucketClient,
  bucketName,
  failureName,
  objectKey,
  type BucketConfig,
} from './client/bucket-client.ts';

const NAME = 'checkpoint';
/** Limit of a signed note; internals/spec/checkpoint-v1.md. */
const MOST_BYTES = 262_144;
/** A start reads the note, and the SDK may first have to get credentials. */
const READ_MS = 10_000;
/** Deadline of a write, with all its requests: a process that is silent for four seconds loses its claim to the log. */
const WRITE_MS = 3_000;
const ATTEMPTS = 3;
/** No object has this ETag. */
const NO_ETAG = '"00000000000000000000000000000000"';

type Condition = Pick<S3Sdk.PutObjectCommandInput, 'IfMatch' | 'IfNoneMatch'>;

/**
 * The checkpoint as one object of a bucket, for brokers without a common directory. Each write has the precondition that the object is the one that this
 * process last saw, so that a process that was paused cannot put an older checkpoint over a newer one. Loads the SDK; opens no connection yet.
 */
export async function checkpointObject(
  config: BucketConfig,
  clock: Pick<Clock, 'after'>,
): Promise<CheckpointStorage> {
  return new CheckpointObject({ ...(await bucketClient(config, 1)), config, clock });
}

interface ObjectParts {
  readonly sdk: typeof S3Sdk;
  readonly client: S3Sdk.S3Client;
  readonly config: BucketConfig;
  readonly clock: Pick<Clock, 'after'>;
}

class CheckpointObject implements CheckpointStorage {
  readonly name: string;
  readonly #parts: ObjectParts;
  readonly #place: { readonly Bucket: string; readonly Key: string };
  /** The object that this process last read or wrote; undefined if there was none. */
  #etag: string | undefined;
  #isProven = false;

  constructor(parts: ObjectParts) {
    const { config } = parts;
    this.#parts = parts;
    this.#place = { Bucket: config.bucket, Key: objectKey(config, NAME) };
    this.name = `${bucketName(config)}/${NAME}`;
  }

  read(): Promise<string | undefined> {
    return this.#within(READ_MS, 'read', (signal) => this.#get(signal));
  }

  write(note: string): Promise<string | undefined> {
    return this.#within(WRITE_MS, 'written', async (signal) => {
      await this.#prove(note, signal);
      for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
        if (await this.#put(note, this.#unchanged(), signal)) return undefined;
        const other = await this.#get(signal);
        // The answer to an earlier write of this note was lost.
        if (other === note) return undefined;
        if (other !== undefined) return other;
        // Someone removed the object, so the next attempt creates it.
      }
      throw Object.assign(new Error('the object comes and goes'), { name: 'Conflict' });
    });
  }

  #unchanged(): Condition {
    return this.#etag === undefined ? { IfNoneMatch: '*' } : { IfMatch: this.#etag };
  }

  /**
   * Sends writes that a server with preconditions refuses, before the first one that counts. A server that ignores them would let an older checkpoint
   * replace a newer one, and nothing would show it. @throws ERR_CONFIG_INVALID
   */
  async #prove(note: string, signal: AbortSignal): Promise<void> {
    if (this.#isProven) return;
    const impossible: Condition[] = [{ IfMatch: NO_ETAG }];
    if (this.#etag !== undefined) impossible.push({ IfNoneMatch: '*' });
    for (const condition of impossible)
      if (await this.#put(note, condition, signal))
        throw new BrokerError(
          'ERR_CONFIG_INVALID',
          `${this.name}: the server ignores ${Object.keys(condition).join()} of a write, so it cannot keep the last checkpoint of several brokers: use a server with conditional writes (AWS S3 has them), or audit.checkpointFile`,
        );
    this.#isProven = true;
  }

  /** @returns false if the precondition does not hold */
  async #put(note: string, condition: Condition, abortSignal: AbortSignal): Promise<boolean> {
    const { sdk, client } = this.#parts;
    const command = new sdk.PutObjectCommand({ ...this.#place, ...condition, Body: note });
    try {
      const { ETag } = await client.send(command, { abortSignal });
      this.#etag = ETag;
      return true;
    } catch (error) {
      if (isRefused(error)) return false;
      throw error;
    }
  }

  async #get(abortSignal: AbortSignal): Promise<string | undefined> {
    const { sdk, client } = this.#parts;
    try {
      const command = new sdk.GetObjectCommand(this.#place);
      const { Body, ETag } = await client.send(command, { abortSignal });
      const bytes = await readBody(Body as IncomingMessage, MOST_BYTES);
      this.#etag = ETag;
      return Buffer.from(bytes).toString('utf8');
    } catch (error) {
      if (failureName(error) !== 'NoSuchKey') throw error;
      this.#etag = undefined;
      return undefined;
    }
  }

  async #within<T>(
    ms: number,
    verb: 'read' | 'written',
    work: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    try {
      return await withDeadline(this.#parts.clock, ms, (signal) =>
        work(signal).catch((cause: unknown) => {
          signal.throwIfAborted();
          throw cause;
        }),
      );
    } catch (cause) {
      if (cause instanceof BrokerError) throw cause;
      const detail = `the checkpoint ${this.name} could not be ${verb}: ${failureName(cause)}`;
      throw new BrokerError('ERR_AUDIT_UNAVAILABLE', detail, { cause });
    }
  }
}

/** 412, 409 if another write is in progress, and for `If-Match` 404 if there is no such object. */
function isRefused(error: unknown): boolean {
  const { $metadata } = error as { readonly $metadata?: { readonly httpStatusCode?: number } };
  const status = $metadata?.httpStatusCode;
  return status === 412 || status === 409 || failureName(error) === 'NoSuchKey';
}
