import { invalidCiphertext } from '../../../crypto/aead/aead.ts';
import {
  changedMetadata,
  type CustomMetadata,
  type MetadataChange,
  type StoredMetadata,
} from '../../../domain/secrets/custom-metadata.ts';
import { BrokerError } from '../../../domain/errors.ts';
import type { SecretMetadata, StagedMetadata } from '../../../ports/secret-provider.ts';
import type { Expectation, PlanFragment } from '../../../ports/store.ts';
import type { Tables } from '../../../ports/tables.ts';
import type { EmbeddedParts } from './rows.ts';

type Row = Tables['secret_metadata'];
const TABLE = 'secret_metadata';

/** Custom metadata in a table of its own. The store computes the MACs of the rows, and a digest covers all of them. */
export class EmbeddedMetadata implements SecretMetadata {
  readonly #parts: Pick<EmbeddedParts, 'store' | 'clock'>;

  constructor(parts: Pick<EmbeddedParts, 'store' | 'clock'>) {
    this.#parts = parts;
  }

  async read(path: string): Promise<StoredMetadata | undefined> {
    const row = await this.#row(path);
    return row && stored(row);
  }

  async change(path: string, change: MetadataChange, author: string): Promise<StagedMetadata> {
    const row = await this.#row(path);
    const version = row?.version ?? 0;
    if (change.ifVersion !== undefined && change.ifVersion !== version)
      throw new BrokerError('ERR_VERSION_CONFLICT');
    const before = row === undefined ? {} : entriesOf(row);
    const entries = changedMetadata(before, change);
    const count = Object.keys(entries).length;
    const body = JSON.stringify(entries);
    const expect = [expected(path, row)];
    // A repeated change writes nothing: some clients send the same metadata before each version.
    if (body === JSON.stringify(before))
      return { version, count, fragment: { expect, writes: [], invalidates: [] } };
    const put: Row = {
      path,
      version: version + 1,
      body,
      updated_at: this.#parts.clock.now(),
      updated_by: author,
      mac: null,
    };
    return {
      version: put.version,
      count,
      fragment: { expect, writes: [{ table: TABLE, put }], invalidates: [`metadata:${path}`] },
    };
  }

  /** The fragment that removes what is stored, if anything is. */
  async removal(path: string): Promise<PlanFragment> {
    const row = await this.#row(path);
    const expect = [expected(path, row)];
    if (row === undefined) return { expect, writes: [], invalidates: [] };
    const writes = [{ table: TABLE, remove: { path } } as const];
    return { expect, writes, invalidates: [`metadata:${path}`] };
  }

  async #row(path: string): Promise<Row | undefined> {
    const row = await this.#parts.store.get(TABLE, { path });
    if (row === undefined || row.path === path) return row;
    throw invalidCiphertext(new Error('the store answered another row'));
  }
}

function stored(row: Row): StoredMetadata {
  const { version, updated_at: updatedAt, updated_by: updatedBy } = row;
  return { version, entries: entriesOf(row), updatedAt, updatedBy };
}

/** The row has a MAC, so the broker wrote this text. */
function entriesOf({ body }: Row): CustomMetadata {
  return JSON.parse(body) as CustomMetadata;
}

/** Versions begin at 1 again after a removal, so the time is compared too. */
function expected(path: string, row: Row | undefined): Expectation {
  const key = { path };
  if (row === undefined) return { table: TABLE, key, absent: true };
  const { version, updated_at } = row;
  return { table: TABLE, key, match: { version, updated_at } };
}
