import { batchHeadSchema, type BatchHead } from '../../audit/export-format.ts';
import type { ExportSource } from '../../audit/export-source.ts';
import { ApiError, bearer, BrokerClient, UnreachableError } from '../../client/index.ts';
import { BrokerError } from '../../domain/errors.ts';
import { readNamedFile } from './named-file.ts';

/** The log of a running broker, read over its API with an auditor's token. The client retries failed requests. @throws ERR_CONFIG_INVALID */
export async function brokerSource(url: string, tokenFile: string): Promise<ExportSource> {
  const token = (await readNamedFile('--token-file', tokenFile)).trim();
  const client = clientOf(url, token);
  return {
    checkpoint: () => found(client.call('readCheckpoint')),
    logKey: async () => (await found(client.call('readLogKey')))?.trim() ?? '',
    file: (path) => found(client.call('readTile', { path: { path: path.replace(/^tile\//, '') } })),
    heads: (size) => heads(client, size),
  };
}

function clientOf(url: string, token: string): BrokerClient {
  try {
    return new BrokerClient({ url }).as(bearer(token));
  } catch (error) {
    throw new BrokerError('ERR_CONFIG_INVALID', (error as Error).message);
  }
}

/** The body of a response; undefined for 404. @throws ERR_STORE_UNAVAILABLE */
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
