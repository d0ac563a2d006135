import * as z from 'zod';
import type { Store } from '../../ports/store.ts';
import type { AuthenticatedRows } from '../../broker/kernel/row-macs.ts';

/** UIDs by namespace. */
export type Uids = ReadonlyMap<string, string>;
/** The UID of a namespace that does not exist. */
export const ABSENT = '';

const stored = z.record(z.string(), z.string());

/**
 * The UIDs that the namespaces of one cluster had when their resources were copied, in a row of `meta` with a MAC. A namespace with another UID is
 * another namespace: the one whose resources were copied is gone.
 */
export class NamespaceUids {
  readonly #parts: AuthenticatedRows & { readonly store: Pick<Store, 'get' | 'commit'> };
  readonly #key: string;

  constructor(
    parts: AuthenticatedRows & { readonly store: Pick<Store, 'get' | 'commit'> },
    cluster: string,
  ) {
    this.#parts = parts;
    this.#key = `namespace-uids/${cluster}`;
  }

  /** Empty before the first copy, and if no key of this installation made the MAC of the row: nothing can be compared then. */
  async read(): Promise<Uids> {
    const key = this.#key;
    const row = await this.#parts.store.get('meta', { key });
    const [, mac = '', value = ''] = /^([0-9a-f]*) (.*)$/s.exec(row?.value ?? '') ?? [];
    try {
      this.#parts.rows.verify('meta', { key, value }, Buffer.from(mac, 'hex'));
      return new Map(Object.entries(stored.parse(JSON.parse(value))));
    } catch {
      return new Map();
    }
  }

  async write(uids: Uids): Promise<void> {
    const key = this.#key;
    const value = JSON.stringify(Object.fromEntries([...uids].sort()));
    const mac = this.#parts.rows.mac('meta', { key, value }).toString('hex');
    const put = { key, value: `${mac} ${value}` };
    if ((await this.#parts.store.get('meta', { key }))?.value === put.value) return;
    await this.#parts.store.commit({ writes: [{ table: 'meta', put }] });
  }
}
