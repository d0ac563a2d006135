import { batchHeadSchema, type BatchHead } from '../../audit/records/export-format.ts';
import type { ExportSource } from '../../audit/proof/export-source.ts';
import type { ArchiveObject } from '../../ports/audit-log.ts';
import { ApiError, type BrokerClient } from '../../client/index.ts';

export type LogClient = Pick<BrokerClient, 'call'>;

/** The log of a running broker, read over its API as an auditor. The client retries failed requests. */
export function brokerSource(client: LogClient): ExportSource {
  return {
    checkpoint: () => bodyUnlessNotFound(client.call('readCheckpoint')),
    witnessed: () =>
      bodyUnlessNotFound(client.call('readCheckpoint', { query: { witnessed: true } })),
    logKey: async () => (await bodyUnlessNotFound(client.call('readLogKey')))?.trim() ?? '',
    file: (path) =>
      bodyUnlessNotFound(client.call('readTile', { path: { path: path.replace(/^tile\//, '') } })),
    heads: (size) => heads(client, size),
    truncation: async () => (await bodyUnlessNotFound(client.call('readArchive')))?.truncation,
    archiveObjects: () => objects(client),
  };
}

/** Reads the body of an answer; undefined for 404. @throws ApiError, UnreachableError */
async function bodyUnlessNotFound<T>(call: Promise<{ readonly body: T }>): Promise<T | undefined> {
  try {
    return (await call).body;
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return undefined;
    throw error;
  }
}

async function* heads(client: LogClient, size: number): AsyncGenerator<BatchHead> {
  let next = 0;
  while (next < size) {
    const page = await bodyUnlessNotFound(client.call('listHeads', { query: { start: next } }));
    const items = (page?.items ?? []).map((item) => batchHeadSchema.parse(item));
    for (const head of items) {
      if (head.first_index < size) yield head;
      next = head.first_index + head.count;
    }
    if (items.length === 0) return;
  }
}

async function* objects(client: LogClient): AsyncGenerator<ArchiveObject> {
  for (let start = 0; ;) {
    const { body } = await client.call('listArchiveObjects', { query: { start } });
    const last = body.items.at(-1);
    if (last === undefined) return;
    yield* body.items;
    start = last.end;
  }
}
