/** One failed check and its place, where an auditor starts to investigate. */
export interface Finding {
  readonly what:
    | 'unreadable'
    | 'entry_missing'
    | 'manifest_altered'
    | 'entry_altered'
    | 'chain_broken'
    | 'batch_mismatch'
    | 'batch_padded'
    | 'signature_invalid'
    | 'boot_not_endorsed'
    | 'tile_mismatch'
    | 'root_mismatch'
    | 'checkpoint_invalid'
    | 'tail_missing'
    | 'truncation_invalid'
    | 'archive_missing'
    | 'archive_altered'
    | 'other_history'
    | 'origin_mismatch'
    | 'not_witnessed';
  readonly message: string;
  /** Index in the log. */
  readonly index?: number;
  readonly writer?: string;
  readonly seq?: number;
}

const MOST_KEPT = 100;

/** Findings in the order of the log. The first hundred are kept; all are counted. */
export class Findings {
  readonly #kept: Finding[] = [];
  #count = 0;

  add(finding: Finding): void {
    this.#count += 1;
    if (this.#kept.length < MOST_KEPT) this.#kept.push(finding);
  }

  get count(): number {
    return this.#count;
  }

  get all(): readonly Finding[] {
    return this.#kept;
  }
}
