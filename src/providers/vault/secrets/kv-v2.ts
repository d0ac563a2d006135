import * as z from 'zod';
import { BrokerError } from '../../../domain/errors.ts';
import type { SecretVersion } from '../../../domain/secrets/secret.ts';
import type { CallContext } from '../../../ports/call-context.ts';
import { encodeVaultPath } from '../client/encode-path.ts';
import { VaultAnswerError, failMalformed } from '../errors.ts';
import { isCode } from '../check/findings.ts';
import type { KvContent, KvEngine } from './kv-engine.ts';
import { toKvObject, toSecretData } from '../kv-data.ts';
import type { VaultCalls } from '../client/calls.ts';

const VERSION = /^[1-9][0-9]{0,9}$/;

const answerSchema = z.object({
  data: z.object({
    data: z.unknown(),
    metadata: z.object({ version: z.int().min(1), created_time: z.string().max(64) }),
  }),
});

const metadataSchema = z.object({ data: z.object({ current_version: z.int().min(0) }) });
const writtenSchema = z.object({ data: z.object({ version: z.int().min(1) }) });

/** Engine KV version 2. Its versions are the server's numbers as text. */
export class KvV2 implements KvEngine {
  readonly #calls: VaultCalls;
  readonly #engine: string;

  /** `engine`: its mount path, not encoded. */
  constructor(calls: VaultCalls, engine: string) {
    this.#calls = calls;
    this.#engine = encodeVaultPath(engine);
  }

  /** Reads a version. Deleted and destroyed versions are absent: the server answers 404 for both. */
  async read(
    path: string,
    version: string | undefined,
    context: CallContext,
  ): Promise<SecretVersion> {
    // Version 0 would mean the current one.
    if (version !== undefined && !VERSION.test(version)) throw new BrokerError('ERR_NOT_FOUND');
    const query = version === undefined ? '' : `?version=${version}`;
    const request = { method: 'GET', path: path + query } as const;
    return toVersion(parseAnswer(await this.#calls.read(request, context)), version);
  }

  async find(path: string, context: CallContext): Promise<KvContent> {
    try {
      const answer = await this.#calls.read({ method: 'GET', path }, context);
      const { data, metadata } = parseAnswer(answer);
      return { content: toKvObject(data), version: String(metadata.version) };
    } catch (error) {
      if (!isCode(error, 'ERR_NOT_FOUND')) throw error;
      return { content: undefined, version: await this.#lastNumber(path, context) };
    }
  }

  async write(
    path: string,
    content: Readonly<Record<string, unknown>>,
    on: KvContent,
    context: CallContext,
  ): Promise<string | undefined> {
    const body = { options: { cas: Number(on.version) }, data: content };
    try {
      const answer = await this.#calls.effect({ method: 'POST', path, body }, context);
      const written = writtenSchema.safeParse(answer);
      return written.success ? String(written.data.data.version) : failMalformed('kv_v2_written');
    } catch (error) {
      if (saysChanged(error)) return undefined;
      throw error;
    }
  }

  /**
   * The number to write against if the current version is deleted. Without the right to read it, the write expects a path that never
   * existed.
   */
  async #lastNumber(path: string, context: CallContext): Promise<string> {
    const name = path.slice(`${this.#engine}/data/`.length);
    const request = { method: 'GET', path: `${this.#engine}/metadata/${name}` } as const;
    try {
      const metadata = metadataSchema.safeParse(await this.#calls.read(request, context));
      return metadata.success
        ? String(metadata.data.data.current_version)
        : failMalformed('kv_v2_metadata');
    } catch (error) {
      if (isCode(error, 'ERR_NOT_FOUND') || isCode(error, 'ERR_PROVIDER_DENIED')) return '0';
      throw error;
    }
  }
}

type Answer = z.output<typeof answerSchema>['data'];

function parseAnswer(answer: unknown): Answer {
  const parsed = answerSchema.safeParse(answer);
  return parsed.success ? parsed.data.data : failMalformed('kv_v2_answer');
}

function saysChanged(error: unknown): boolean {
  if (!(error instanceof BrokerError) || !(error.cause instanceof VaultAnswerError)) return false;
  return error.cause.status === 400 && error.cause.says('cas_mismatch');
}

function toVersion({ data, metadata }: Answer, asked: string | undefined): SecretVersion {
  const version = String(metadata.version);
  if (asked !== undefined && asked !== version) return failMalformed('kv_v2_version');
  const createdAt = Date.parse(metadata.created_time);
  return {
    data: toSecretData(data),
    version,
    ...(Number.isFinite(createdAt) && { createdAt }),
  };
}
