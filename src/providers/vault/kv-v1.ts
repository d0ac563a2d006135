import { z } from 'zod';
import { BrokerError } from '../../domain/errors.ts';
import type { SecretVersion } from '../../domain/secret.ts';
import type { CallContext } from '../../ports/call-context.ts';
import { failMalformed } from './errors.ts';
import type { KvEngine } from './kv-engine.ts';
import { toSecretData } from './secret-data.ts';
import type { VaultCalls } from './vault-calls.ts';

const answerSchema = z.object({ data: z.unknown() });

/** KV version 1 has no versions: the version is '' and the broker derives one from the data. */
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
    const answer = answerSchema.safeParse(await this.#calls.read({ method: 'GET', path }, context));
    if (!answer.success) return failMalformed('kv_v1_answer');
    return { data: toSecretData(answer.data.data), version: '' };
  }
}
