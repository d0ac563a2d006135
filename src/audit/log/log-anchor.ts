import type { Checkpoint } from '../../crypto/log/checkpoint.ts';
import { decodeBase64 } from '../../crypto/random/base64.ts';
import type { RowMacs } from '../../crypto/signatures/row-mac.ts';
import { BrokerError } from '../../domain/errors.ts';
import type { Expectation, Plan, Store, Write } from '../../ports/store.ts';
import { LOG } from '../../ports/queries.ts';

/** The extent of the log, as the installation itself recorded it. */
export type Anchor = Pick<Checkpoint, 'size' | 'root'>;

const KEY = 'audit-anchor';
const TEXT = /^([1-9][0-9]{0,15}) ([A-Za-z0-9+/=]{44}) ([0-9a-f]{66})$/;

/**
 * Size and root of the last checkpoint, kept in `meta` under the row MAC and written with each checkpoint. An attacker who empties the
 * log's tables and removes the checkpoint file cannot forge it without the root key.
 */
export class LogAnchor {
  readonly #rows: RowMacs;

  constructor(rows: RowMacs) {
    this.#rows = rows;
  }

  /** Undefined if the store has no row. @throws ERR_CIPHERTEXT_INVALID for a forged anchor. */
  async read(store: Store): Promise<Anchor | undefined> {
    const row = await store.get('meta', { key: KEY });
    if (row === undefined) return undefined;
    const [, size, root, mac] = TEXT.exec(row.value) ?? [];
    const bytes = decodeBase64(root ?? '');
    if (size === undefined || bytes === undefined || mac === undefined)
      throw new BrokerError('ERR_CIPHERTEXT_INVALID');
    const anchor = { size: Number(size), root: bytes };
    this.#rows.verify('meta', fieldsOf(anchor), Buffer.from(mac, 'hex'));
    return anchor;
  }

  /** Undefined while the broker is sealed: the anchor stays behind, and the log may be ahead of it. */
  write({ size, root }: Anchor): Write | undefined {
    const mac = this.#mac('meta', fieldsOf({ size, root }));
    if (mac === undefined) return undefined;
    const value = `${size} ${Buffer.from(root).toString('base64')} ${mac.toString('hex')}`;
    return { table: 'meta', put: { key: KEY, value } };
  }

  /** The newest state digests in the tree of this size, in the form for its checkpoint's row; null while the broker is sealed. */
  authenticateState(size: number, state: string): string | null {
    const mac = this.#mac('log_checkpoints', { size, state });
    return mac === undefined ? null : `${state} ${mac.toString('hex')}`;
  }

  /** @throws ERR_CIPHERTEXT_INVALID for a text that `authenticateState` did not make for this size. */
  openState(size: number, text: string): string {
    const [, state = '', mac = ''] = STATE.exec(text) ?? [];
    this.#rows.verify('log_checkpoints', { size, state }, Buffer.from(mac, 'hex'));
    return state;
  }

  /**
   * The plan that computes the MACs of the anchor and of the state of the newest checkpoint under the active root key; undefined if they already are. @throws
   * ERR_CIPHERTEXT_INVALID
   */
  async authenticateAgain(store: Store): Promise<Plan | undefined> {
    const anchor = await this.read(store);
    const stored = await store.get('meta', { key: KEY });
    const [checkpoint] = await store.list(LOG.newestCheckpoints(), { limit: 1 });
    const plan = { expect: [] as Expectation[], writes: [] as Write[] };
    const put = anchor && this.write(anchor);
    if (put !== undefined && stored !== undefined && valueOf(put) !== stored.value) {
      plan.expect.push({ table: 'meta', key: { key: KEY }, match: { value: stored.value } });
      plan.writes.push(put);
    }
    if (checkpoint !== undefined && checkpoint.state !== null) {
      const { size, state } = checkpoint;
      const current = this.authenticateState(size, this.openState(size, state));
      if (current !== state && current !== null)
        plan.writes.push({ table: 'log_checkpoints', key: { size }, change: { state: current } });
    }
    return plan.writes.length === 0 ? undefined : plan;
  }

  #mac(...[table, fields]: Parameters<RowMacs['mac']>): Buffer | undefined {
    try {
      return this.#rows.mac(table, fields);
    } catch (error) {
      if (error instanceof BrokerError && error.code === 'ERR_SEALED') return undefined;
      throw error;
    }
  }
}

function valueOf(write: Write): string | undefined {
  return 'put' in write && write.table === 'meta' ? write.put.value : undefined;
}

const STATE = /^(\[.*\]) ([0-9a-f]{66})$/;

function fieldsOf({ size, root }: Anchor): Parameters<RowMacs['mac']>[1] {
  return { key: KEY, size, root };
}
