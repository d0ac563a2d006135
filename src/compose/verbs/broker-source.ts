import { readFile } from 'node:fs/promises';
import { batchHeadSchema, type BatchHead } from '../../audit/export-format.ts';
import type { ExportSource } from '../../audit/export-source.ts';
import { BrokerError } from '../../domain/errors.ts';

/** The log of a running broker, over its API, with an auditor's token. */
export async function brokerSource(url: string, tokenFile: string): Promise<ExportSource> {
  const token = (await readFile(tokenFile, 'utf8')).trim();
  const get = async (path: string): Promise<Response | undefined> => {
    const response = await fetch(`${url}/api/v1/audit/${path}`, {
      headers: { authorization: `Bearer ${token}` },
      redirect: 'error',
    });
    if (response.status === 404) return undefined;
    if (response.ok) return response;
    throw new BrokerError('ERR_STORE_UNAVAILABLE', `${url} answered ${response.status} to ${path}`);
  };
  const text = async (path: string): Promise<string | undefined> => (await get(path))?.text();
  return {
    checkpoint: () => text('checkpoint'),
    logKey: async () => (await text('log-key'))?.trim() ?? '',
    file: async (path) => {
      const response = await get(path);
      return response === undefined ? undefined : new Uint8Array(await response.arrayBuffer());
    },
    heads: (size) => heads(get, size),
  };
}

async function* heads(
  get: (path: string) => Promise<Response | undefined>,
  size: number,
): AsyncGenerator<BatchHead> {
  let next = 0;
  while (next < size) {
    const response = await get(`heads?start=${next}`);
    const { items } = (await response?.json()) as { items: unknown[] };
    const page = items.map((item) => batchHeadSchema.parse(item));
    for (const head of page) {
      if (head.first_index < size) yield head;
      next = head.first_index + head.count;
    }
    if (page.length === 0) return;
  }
}
