import * as z from 'zod';
import { BrokerError } from '../../../domain/errors.ts';
import type { SecretVersion } from '../../../domain/secrets/secret.ts';
import type { CallContext } from '../../../ports/call-context.ts';
import { failMalformed } from '../errors.ts';
import { isCode } from '../check/findings.ts';
import type { KvContent, KvEngine } from './kv-engine.ts';
import { toKvObject, toSecretData } from '../kv-data.ts';
import type { VaultCalls } from '../client/calls.ts';

const answerSchema = z.object({ data: z.unknown() });

/** Engine KV version 1. It has no versions: the version is '' and the broker derives one from the data. */
export class KvV1 implements KvEngine {
  readonly #calls: VaultCalls;

  constructor(calls: VaultCalls) {
    this.#calls = calls;
  }

  async read(
    path: string,
    version: string | undefined,
    context: CallContext,
  ): Promise<SecretVersion> {
    if (version !== undefined && version !== '') throw new BrokerError('ERR_NOT_FOUND');
    return { data: toSecretData(await this.#content(path, context)), version: '' };
  }

  async find(path: string, context: CallContext): Promise<KvContent> {
    try {
      return { content: toKvObject(await this.#content(path, context)), version: '' };
    } catch (error) {
      if (isCode(error, 'ERR_NOT_FOUND')) return { content: undefined, version: '' };
      throw error;
    }
  }

  /** KV version 1 has no compare-and-set: the last writer wins. */
  async write(
    path: string,
    content: Readonly<Record<string, unknown>>,
    _on: KvContent,
    context: CallContext,
  ): Promise<string> {
    const request = { method: 'POST', path, body: content } as const;
    await this.#calls.effect(request, context);
    return '';
  }

  async #content(path: string, context: CallContext): Promise<unknown> {
    const answer = answerSchema.safeParse(await this.#calls.read({ method: 'GET', path }, context));
    return answer.success ? answer.data.data : failMalformed('kv_v1_answer');
  }
}
