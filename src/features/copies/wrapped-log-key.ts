import * as z from 'zod';
import { logRow, readRootKeys } from '../../broker/keys/root-key-rows.ts';
import { BrokerError } from '../../domain/errors.ts';
import type { Store } from '../../ports/store.ts';

const base64 = z.base64();

/** The log key of a store that keeps it, as its key-encryption keys wrapped it: a reader of the manifest needs the key before it has the store. */
export const wrappedLogKeySchema = z.strictObject({
  id: z.string(),
  commitment: base64,
  wraps: z.array(z.strictObject({ kek: z.string(), wrapped: base64 })).readonly(),
});

type WrappedLogKey = z.infer<typeof wrappedLogKeySchema>;

/** The wrapped log key of a store that keeps it. Its key-encryption keys can change at any time, so it is read for each manifest. */
export async function wrappedLogKey(store: Store): Promise<{ readonly logKey?: WrappedLogKey }> {
  const rows = await readRootKeys(store);
  const log = logRow(rows);
  if (log === undefined) return {};
  const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');
  const wraps = rows.wraps
    .filter(({ root_key_id }) => root_key_id === log.id)
    .map(({ kek_id, wrapped }) => ({ kek: kek_id, wrapped: text(wrapped) }));
  return { logKey: { id: log.id, commitment: text(log.commitment), wraps } };
}

/**
 * Reads the wrapped log key of a manifest that nothing verified yet. Only a key-encryption key of the installation opens it, and the key that comes out
 * must have signed the manifest. @throws ERR_CIPHERTEXT_INVALID
 */
export function wrappedLogKeyIn(note: string): {
  readonly installation: string;
  readonly logKey: WrappedLogKey;
} {
  const [, json = ''] = note.split('\n');
  try {
    return z
      .object({ installation: z.string(), logKey: wrappedLogKeySchema })
      .parse(JSON.parse(json));
  } catch (cause) {
    throw new BrokerError(
      'ERR_CIPHERTEXT_INVALID',
      'the manifest has no log key of a store, and audit.logKey is "store": a backup from before the key moved into the store needs audit.logKeyFile',
      { cause },
    );
  }
}
