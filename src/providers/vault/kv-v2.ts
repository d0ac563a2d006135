import { z } from 'zod';
import { BrokerError } from '../../domain/errors.ts';
import type { SecretVersion } from '../../domain/secret.ts';
import type { CallContext } from '../../ports/call-context.ts';
import { failMalformed } from './errors.ts';
import type { KvEngine } from './kv-engine.ts';
import { toSecretData } from './secret-data.ts';
import type { VaultCalls } from './vault-calls.ts';

const VERSION = /^[1-9][0-9]{0,9}$/;

const answerSchema = z.object({
  data: z.object({
    data: z.unknown(),
    metadata: z.object({ version: z.int().min(1), created_time: z.string().max(64) }),
  }),
});

/** KV version 2: versions are the server's numbers as text. */
export class KvV2 implements KvEngine {
  readonly #calls: VaultCalls;

  constructor(calls: VaultCalls) {
    this.#calls = calls;
  }

  /** Deleted and destroyed versions are absent: the server answers 404 for both. */
  async read(
    path: string,
    version: string | undefined,
    context: CallContext,
  ): Promise<SecretVersion> {
    // Version 0 would be the current one.
    if (version !== undefined && !VERSION.test(version)) throw new BrokerError('ERR_NOT_FOUND');
    const query = version === undefined ? '' : `?version=${version}`;
    const request = { method: 'GET', path: path + query } as const;
    return parseAnswer(await this.#calls.read(request, context), version);
  }
}

function parseAnswer(answer: unknown, asked: string | undefined): SecretVersion {
  const parsed = answerSchema.safeParse(answer);
  if (!parsed.success) return failMalformed('kv_v2_answer');
  const { data, metadata } = parsed.data.data;
  const version = String(metadata.version);
  if (asked !== undefined && asked !== version) return failMalformed('kv_v2_version');
  const createdAt = Date.parse(metadata.created_time);
  return {
    data: toSecretData(data),
    version,
    ...(Number.isFinite(createdAt) && { createdAt }),
  };
}
