import type { Clock } from '../../ports/clock.ts';
import type { RefusalTally, Refused } from '../../ports/refusal-tally.ts';

/** The refusals of one holder beyond its single entries, in one window. */
export interface RefusalSummary {
  /** The first refusal, without the fields that the other refusals of the row do not share. */
  readonly refused: Refused;
  readonly count: number;
  /** Milliseconds since the epoch: the first and the last counted refusal. */
  readonly since: number;
  readonly last: number;
}

export interface RefusalLimits {
  readonly entriesPerWindow: number;
  readonly windowSeconds: number;
  /** Number of kinds of refusals that are counted separately for one holder. */
  readonly kindsPerHolder: number;
  /** Single entries of all holders together in a window. */
  readonly entriesInAll: number;
  /** Rows of all holders together: bounds memory, and the summaries of one window. */
  readonly rowsInAll: number;
}

/** The single entries of one holder in a window are limited to those of this many kinds of refusal. */
const KINDS_WITH_ENTRIES = 10;
const MS = 1000;

interface Row {
  refused: Refused;
  /** True if more than one actor was refused. */
  isShared: boolean;
  /** Refusals of this kind that became single entries. */
  entries: number;
  count: number;
  since: number;
  last: number;
}

interface Holder {
  readonly rows: Map<string, Row>;
  entries: number;
}

/**
 * Limits the entries of refusals: the first few of each holder, kind and window become entries, the others a count. So a refused caller can
 * fill neither disk nor memory. When a table is full, new kinds share one row: that of their holder, or that of all holders.
 */
export class Refusals implements RefusalTally {
  #limits: RefusalLimits;
  readonly #clock: Clock;
  readonly #emit: (summaries: readonly RefusalSummary[]) => Promise<void>;
  #holders = new Map<string, Holder>();
  #rows = 0;
  #entries = 0;
  #cancel: (() => void) | undefined;

  /** `emit` records the summaries of a window at its end. */
  constructor(
    limits: RefusalLimits,
    clock: Clock,
    emit: (summaries: readonly RefusalSummary[]) => Promise<void>,
  ) {
    this.#limits = limits;
    this.#clock = clock;
    this.#emit = emit;
  }

  /** Changes the limits of this window and the next ones. */
  limit(limits: RefusalLimits): void {
    this.#limits = limits;
  }

  admit(refused: Refused): boolean {
    this.#cancel ??= this.#clock.after(this.#limits.windowSeconds * MS, () => void this.flush());
    const { holder, row } = this.#find(refused);
    if (this.#hasRoom(holder, row)) {
      row.entries += 1;
      holder.entries += 1;
      this.#entries += 1;
      return true;
    }
    const now = this.#clock.now();
    if (row.count === 0) row.since = now;
    row.count += 1;
    row.last = now;
    return false;
  }

  /** Ends the window now. Called before the process stops, so that no count is lost. */
  async flush(): Promise<void> {
    this.#cancel?.();
    this.#cancel = undefined;
    const summaries: RefusalSummary[] = [];
    for (const { rows } of this.#holders.values()) {
      for (const { refused, count, since, last } of rows.values()) {
        if (count > 0) summaries.push({ refused, count, since, last });
      }
    }
    this.#holders = new Map();
    this.#rows = 0;
    this.#entries = 0;
    if (summaries.length > 0) await this.#emit(summaries);
  }

  #hasRoom(holder: Holder, row: Row): boolean {
    const { entriesPerWindow, entriesInAll } = this.#limits;
    return (
      row.entries < entriesPerWindow &&
      holder.entries < entriesPerWindow * KINDS_WITH_ENTRIES &&
      this.#entries < entriesInAll
    );
  }

  #find(refused: Refused): { readonly holder: Holder; readonly row: Row } {
    const known = this.#holders.get(refused.holder);
    const { kindsPerHolder, rowsInAll } = this.#limits;
    const isFull = known === undefined && this.#rows >= rowsInAll;
    const holder = known ?? this.#holder(isFull ? EVERYONE : refused.holder);
    const isNew = !holder.rows.has(refused.kind);
    const isShared =
      isFull || (isNew && (this.#rows >= rowsInAll || holder.rows.size >= kindsPerHolder));
    return { holder, row: this.#row(holder, isShared ? shared(refused, isFull) : refused) };
  }

  #holder(name: string): Holder {
    const holder = this.#holders.get(name) ?? { rows: new Map<string, Row>(), entries: 0 };
    this.#holders.set(name, holder);
    return holder;
  }

  #row({ rows }: Holder, refused: Refused): Row {
    const known = rows.get(refused.kind);
    if (known === undefined) {
      const row = { refused, isShared: false, entries: 0, count: 0, since: 0, last: 0 };
      rows.set(refused.kind, row);
      this.#rows += 1;
      return row;
    }
    // Another pod of the workload: the summary contains only the fields that all share.
    if (known.isShared || known.refused.actor === refused.actor) return known;
    known.isShared = true;
    known.refused = { ...known.refused, actor: known.refused.sharedActor?.() };
    return known;
  }
}

const EVERYONE = '';
const EVERYTHING = '';

/** The shared row of refusals without their own row: of the holder's other kinds, or of other holders. */
function shared({ outcome, holder, actor, sharedActor }: Refused, isOfEveryone: boolean): Refused {
  if (isOfEveryone) return { outcome, holder: EVERYONE, kind: EVERYTHING };
  return { outcome, holder, kind: EVERYTHING, actor, ...(sharedActor && { sharedActor }) };
}
