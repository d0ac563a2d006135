export interface KeptBounds {
  /** Bytes for one holder while no other holder has any. */
  readonly ofOne: number;
  /** Bytes for all holders together. */
  readonly ofAll: number;
}

/**
 * Bytes that the process keeps in memory for its callers: request bodies that arrive and responses that wait to be read. A caller that sends or
 * requests much and never finishes fills memory that others need, so the bytes are counted for each holder and in total.
 * A holder may use a fixed share of the bytes that the others leave free (dynamic thresholds: Choudhury and Hahne, 1998). So however many holders
 * fill their shares, some memory is free, and a newcomer gets as much as each of them has.
 */
export class KeptBytes {
  readonly #bounds: KeptBounds;
  readonly #byHolder = new Map<string, number>();
  #all = 0;

  constructor(bounds: KeptBounds) {
    this.#bounds = bounds;
  }

  /** Bytes kept now, for all holders together. */
  get all(): number {
    return this.#all;
  }

  /** Reports whether this holder must not use more memory. */
  isFull(holder: string): boolean {
    return this.#all !== 0 && !this.hasRoom(holder, 1);
  }

  hasRoom(holder: string, bytes: number): boolean {
    const { ofOne, ofAll } = this.#bounds;
    const kept = this.#byHolder.get(holder) ?? 0;
    const left = ofAll - (this.#all - kept);
    return kept + bytes <= (left * ofOne) / ofAll;
  }

  /** Keeps the bytes if there is room for them. The caller releases them later. */
  take(holder: string, bytes: number): boolean {
    if (!this.hasRoom(holder, bytes)) return false;
    this.add(holder, bytes);
    return true;
  }

  /** Counts bytes that exist already, even beyond the bounds. */
  add(holder: string, bytes: number): void {
    this.#all += bytes;
    const kept = (this.#byHolder.get(holder) ?? 0) + bytes;
    if (kept === 0) this.#byHolder.delete(holder);
    else this.#byHolder.set(holder, kept);
  }

  release(holder: string, bytes: number): void {
    this.add(holder, -bytes);
  }
}
