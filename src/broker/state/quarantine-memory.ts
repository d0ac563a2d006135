import { QUARANTINE_KINDS, scopeFence, type Quarantine } from '../../domain/identity/quarantine.ts';
import { BrokerError } from '../../domain/errors.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Store } from '../../ports/store.ts';
import { macColumns, type Tables } from '../../ports/tables.ts';
import { allRows } from '../../ports/queries.ts';
import { listAll } from '../kernel/list-all.ts';
import { openRow, type KeyringRowMacs } from '../kernel/row-macs.ts';

type Row = Tables['quarantines'];

/** All quarantines, in memory, by the fence key of their scope. A change of kind `quarantine` makes it read one again. */
export class Quarantines {
  readonly #store: Store;
  readonly #rows: KeyringRowMacs;
  readonly #clock: Clock;
  readonly #byFence = new Map<string, Quarantine>();
  /** The fences of suspended scopes. */
  readonly #suspended = new Set<string>();

  constructor(store: Store, rows: KeyringRowMacs, clock: Clock) {
    this.#store = store;
    this.#rows = rows;
    this.#clock = clock;
  }

  /**
   * Reads all quarantines. In a held store, altered quarantines are skipped.
   * @throws ERR_CIPHERTEXT_INVALID for a quarantine that the broker did not write.
   */
  async load(): Promise<void> {
    for await (const row of listAll(this.#store, allRows('quarantines')))
      openRow(this.#store, () => this.#keep(row));
  }

  /** Reads the quarantine of one scope again, after a change to its fence key. */
  async refresh(fence: string): Promise<void> {
    const row = await this.#store.get('quarantines', keyOf(fence));
    if (row === undefined) {
      this.#byFence.delete(fence);
      this.#suspended.delete(fence);
    } else this.#keep(row);
  }

  /** The quarantine in force that refuses everything to a caller with these fence keys. Without any quarantine, this costs one comparison. */
  covering(fences: readonly string[]): Quarantine | undefined {
    if (this.#byFence.size === this.#suspended.size) return undefined;
    return this.#find(fences, undefined);
  }

  /** The suspension in force of a caller with these fence keys. Without any suspension, this costs one comparison. */
  suspending(fences: readonly string[]): Quarantine | undefined {
    return this.#suspended.size === 0 ? undefined : this.#find(fences, 'suspended');
  }

  /** The quarantine or suspension in force of the first of these fence keys that has one. */
  standing(fences: readonly string[]): Quarantine | undefined {
    return this.covering(fences) ?? this.suspending(fences);
  }

  /** Number of suspended scopes. */
  get suspensions(): number {
    return this.#suspended.size;
  }

  /** The row of a scope, even if it has expired and is not removed yet. */
  find(fence: string): Quarantine | undefined {
    return this.#byFence.get(fence);
  }

  /** Lists quarantines, oldest first, including expired ones. */
  all(): readonly Quarantine[] {
    return [...this.#byFence.values()].sort(
      (a, b) => a.createdAt - b.createdAt || (a.id < b.id ? -1 : 1),
    );
  }

  /** Oldest first. */
  inForce(): readonly Quarantine[] {
    return this.all().filter((each) => this.#isInForce(each));
  }

  rowOf(quarantine: Quarantine): Row {
    const { kind, subject, id, reason, mode } = quarantine;
    const fields = {
      kind,
      subject,
      id,
      reason,
      created_by: quarantine.createdBy,
      created_at: quarantine.createdAt,
      ends_at: quarantine.endsAt ?? null,
      mode: mode ?? null,
      response_id: quarantine.responseId ?? null,
      namespace: quarantine.namespace ?? null,
      pods: quarantine.pods ?? null,
    };
    return { ...fields, mac: this.#rows.mac('quarantines', macColumns(fields)) };
  }

  #keep(row: Row): void {
    const quarantine = this.#open(row);
    const fence = scopeFence(quarantine);
    this.#byFence.set(fence, quarantine);
    if (quarantine.mode === 'suspended') this.#suspended.add(fence);
    else this.#suspended.delete(fence);
  }

  #find(fences: readonly string[], mode: Quarantine['mode']): Quarantine | undefined {
    for (const fence of fences) {
      const found = this.#byFence.get(fence);
      if (found !== undefined && found.mode === mode && this.#isInForce(found)) return found;
    }
    return undefined;
  }

  #open(row: Row): Quarantine {
    const { mac, ...fields } = row;
    this.#rows.verify('quarantines', macColumns(fields), mac);
    const kind = QUARANTINE_KINDS.find((each) => each === row.kind);
    if (kind === undefined) throw new BrokerError('ERR_CIPHERTEXT_INVALID');
    return {
      kind,
      subject: row.subject,
      id: row.id,
      reason: row.reason,
      createdBy: row.created_by,
      createdAt: row.created_at,
      endsAt: row.ends_at ?? undefined,
      mode: row.mode === 'suspended' ? row.mode : undefined,
      responseId: row.response_id ?? undefined,
      namespace: row.namespace ?? undefined,
      pods: row.pods ?? undefined,
    };
  }

  #isInForce({ endsAt }: Quarantine): boolean {
    return endsAt === undefined || endsAt > this.#clock.now();
  }
}

function keyOf(fence: string): Pick<Row, 'kind' | 'subject'> {
  const colon = fence.indexOf(':');
  return { kind: fence.slice(0, colon), subject: fence.slice(colon + 1) };
}
