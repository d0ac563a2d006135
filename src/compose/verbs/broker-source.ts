import { readFile } from 'node:fs/promises';
import { batchHeadSchema, type BatchHead } from '../../audit/export-format.ts';
import type { ExportSource } from '../../audit/export-source.ts';
import { ApiError, bearer, BrokerClient, UnreachableError } from '../../client/index.ts';
import { BrokerError } from '../../domain/errors.ts';

/** The log of a running broker, over its API, with an auditor's token. Its answers are repeated as the client does. */
export async function brokerSource(url: string, tokenFile: string): Promise<ExportSource> {
  const token = (await readFile(tokenFile, 'utf8')).trim();
  const client = new BrokerClient({ url }).as(bearer(token));
  return {
    checkpoint: () => found(client.call('readCheckpoint')),
    logKey: async () => (await found(client.call('readLogKey')))?.trim() ?? '',
    file: (path) => found(client.call('readTile', { path: { path: path.replace(/^tile\//, '') } })),
    heads: (size) => heads(client, size),
  };
}

/** The body of an answer; undefined for what is not there. @throws ERR_STORE_UNAVAILABLE */
async function found<T>(call: Promise<{ readonly body: T }>): Promise<T | undefined> {
  try {
    return (await call).body;
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return undefined;
    if (!(error instanceof ApiError || error instanceof UnreachableError)) throw error;
    throw new BrokerError('ERR_STORE_UNAVAILABLE', error.message);
  }
}

async function* heads(client: BrokerClient, size: number): AsyncGenerator<BatchHead> {
  let next = 0;
  while (next < size) {
    const page = await found(client.call('listHeads', { query: { start: next } }));
    const items = (page?.items ?? []).map((item) => batchHeadSchema.parse(item));
    for (const head of items) {
      if (head.first_index < size) yield head;
      next = head.first_index + head.count;
    }
    if (items.length === 0) return;
  }
}
