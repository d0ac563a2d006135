import type { ChainVerifier } from '../records/chain-verifier.ts';
import type { BatchHead } from '../records/export-format.ts';
import type { Findings } from '../records/finding.ts';
import { damageText, type Damage } from '../log/log-damage.ts';

/** The lines of heads.jsonl, with a look at the next line before it is taken. */
export class HeadReader {
  readonly #heads: AsyncGenerator<BatchHead, undefined>;
  #ahead: BatchHead | undefined;

  constructor(heads: AsyncGenerator<BatchHead, undefined>) {
    this.#heads = heads;
  }

  async peek(): Promise<BatchHead | undefined> {
    this.#ahead ??= (await this.#heads.next()).value;
    return this.#ahead;
  }

  async next(): Promise<BatchHead | undefined> {
    const head = await this.peek();
    this.#ahead = undefined;
    return head;
  }

  async close(): Promise<void> {
    await this.#heads.return(undefined);
  }
}

/**
 * Begins the batch of the entry at `index`. A missing entry may have lost its batch too.
 * @throws Error if there is no line for an entry.
 */
export async function beginBatch(
  index: number,
  heads: HeadReader,
  { chain, isMissing }: { readonly chain: ChainVerifier; readonly isMissing: boolean },
): Promise<void> {
  const ahead = await heads.peek();
  if (isMissing && (ahead === undefined || ahead.first_index > index)) return;
  const head = await heads.next();
  if (head === undefined) throw new Error('heads.jsonl ends before the entries do');
  chain.begin(index, head);
}

/** The live log may begin within a batch, whose first entries are archived. `index`: the next entry. */
export async function skipArchived(
  index: number,
  heads: HeadReader,
  chain: ChainVerifier,
): Promise<void> {
  const first = (await heads.peek())?.first_index ?? index;
  if (!chain.isNew || first >= index) return;
  for (let at = first; at < index; at++) {
    if (at === first) await beginBatch(at, heads, { chain, isMissing: true });
    chain.missing(at);
  }
}

/** The ranges that the manifest names as damaged; each is a finding. Queried in the order of the log. */
export class MissingEntries {
  readonly #ranges: readonly Damage[];
  readonly #findings: Findings;
  #at = 0;

  constructor(ranges: readonly Damage[], findings: Findings) {
    this.#ranges = ranges;
    this.#findings = findings;
  }

  has(index: number): boolean {
    while ((this.#ranges[this.#at]?.end ?? Infinity) <= index) this.#at += 1;
    const range = this.#ranges[this.#at];
    if (range === undefined || index < range.first) return false;
    if (index === range.first) {
      const message = `the export does not have it: ${damageText(range)}`;
      const what = range.why === 'altered' ? 'entry_altered' : 'entry_missing';
      this.#findings.add({ what, message, index });
    }
    return true;
  }
}
