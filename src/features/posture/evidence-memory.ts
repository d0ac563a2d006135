import { LRUCache } from 'lru-cache';
import type {
  Evidence,
  EvidenceKind,
  EvidenceOf,
  EvidenceSections,
} from '../../domain/posture/evidence.ts';
import { allRows } from '../../ports/queries.ts';
import type { Store } from '../../ports/store.ts';
import type { Tables } from '../../ports/tables.ts';
import { tenantOf, type Space } from '../../broker/recording/evidence-writers.ts';
import { listAll } from '../../broker/kernel/list-all.ts';
import { openRow } from '../../broker/kernel/row-macs.ts';
import { Turns } from '../../broker/kernel/turns.ts';
import { openEvidence } from './evidence-rows.ts';
import { MOST_OF_DIGEST } from './evidence-bounds.ts';
import { openSummary } from './report-summary.ts';
import type { Follower } from '../../broker/state/followers.ts';

type Row = Tables['image_evidence'];
type Section = NonNullable<EvidenceSections[EvidenceKind]>;

/** A writer of evidence, and the tenant that it belongs to. */
export interface CountedWriter {
  readonly writer: string;
  readonly tenant: string;
}

interface Kept {
  readonly row: Row;
  readonly evidence: Evidence;
}

const NONE: readonly Evidence[] = [];
/** Findings of unpacked summaries that stay in memory: pods of one image, and a new report beside others, read them again. */
const MOST_UNPACKED_FINDINGS = 50_000;

/** All evidence about images, in memory, compressed. A change of kind `evidence` makes it read one row again. Rows and bytes are bounded. */
export class ImageEvidence {
  readonly #store: Store;
  readonly #byId = new Map<string, Kept>();
  readonly #byDigest = new Map<string, readonly Evidence[]>();
  /** Space of each writer and tenant. */
  readonly #shares = new Map<string, Space & CountedWriter>();
  readonly #unpacked = new LRUCache<
    string,
    { readonly body: Uint8Array; readonly section: Section }
  >({
    maxSize: MOST_UNPACKED_FINDINGS,
    sizeCalculation: ({ section }) => section.findings.length + 1,
  });
  readonly #used = new Set<string>();
  #generation = 0;
  /** Turns of tenants: a push is decided when the one before it is counted. */
  readonly turns = new Turns();

  constructor(store: Store) {
    this.#store = store;
  }

  /** Reads all rows, and unpacks none. In a held store, altered rows are skipped. @throws ERR_CIPHERTEXT_INVALID for a row that the broker did not write */
  async load(): Promise<void> {
    for await (const row of listAll(this.#store, allRows('image_evidence')))
      openRow(this.#store, () => this.#keep(row));
  }

  /** Reads one row again, after a change. */
  async refresh(id: string): Promise<void> {
    const row = await this.#store.get('image_evidence', { id });
    if (row === undefined) this.#drop(id);
    else this.#keep(row);
  }

  /** Number that differs after each change. */
  get generation(): number {
    return this.#generation;
  }

  /** The evidence about an image. The same list until one of its members changes. */
  readonly of: EvidenceOf = (digest) => this.#byDigest.get(digest) ?? NONE;

  find(id: string): Evidence | undefined {
    return this.#byId.get(id)?.evidence;
  }

  /** Counts the findings of the report, those included that its summary leaves out. */
  countOf(evidence: Evidence): number {
    return this.#byId.get(evidence.id)?.row.findings ?? evidence.section().findings.length;
  }

  bytesOf(id: string): number | undefined {
    return this.#byId.get(id)?.row.body.length;
  }

  /** Lists all evidence in the order of ids. */
  all(): readonly Evidence[] {
    return [...this.#byId.values()]
      .map(({ evidence }) => evidence)
      .sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  /** Computes the share of the counted writers; by default of all. */
  shareOf(isCounted: (by: CountedWriter) => boolean = () => true): Space {
    let rows = 0;
    let total = 0;
    for (const share of this.#shares.values()) {
      if (!isCounted(share)) continue;
      rows += share.rows;
      total += share.bytes;
    }
    return { rows, bytes: total };
  }

  /** A pod with these digests was judged: the evidence about them is still needed. */
  use(digests: Iterable<string>): void {
    for (const digest of digests) for (const { id } of this.of(digest)) this.#used.add(id);
  }

  /** Evidence that was used since the last call, and was last marked before `before`. */
  takeUsed(before: number): readonly string[] {
    const used = [...this.#used].filter(
      (id) => (this.#byId.get(id)?.row.seen_at ?? before) < before,
    );
    this.#used.clear();
    return used;
  }

  /** Evidence that was neither received nor used since `before`. */
  unusedSince(before: number): readonly Evidence[] {
    return [...this.#byId.values()]
      .filter(({ row }) => Math.max(row.received_at, row.seen_at) < before)
      .map(({ evidence }) => evidence);
  }

  #keep(row: Row): void {
    const known = this.#byId.get(row.id);
    if (known !== undefined && isSameReport(known.row, row)) {
      this.#byId.set(row.id, { ...known, row });
      return;
    }
    this.#drop(row.id);
    const evidence = openEvidence(row, this.#section);
    this.#byId.set(row.id, { row, evidence });
    this.#count(evidence, row, 1);
    this.#generation += 1;
    for (const digest of evidence.digests)
      this.#byDigest.set(digest, boundedList([...this.of(digest), evidence], evidence.writer));
  }

  #drop(id: string): void {
    const known = this.#byId.get(id);
    if (known === undefined) return;
    this.#byId.delete(id);
    this.#unpacked.delete(id);
    this.#count(known.evidence, known.row, -1);
    this.#generation += 1;
    for (const digest of known.evidence.digests) {
      const left = this.of(digest).filter((each) => each.id !== id);
      if (left.length === 0) this.#byDigest.delete(digest);
      else this.#byDigest.set(digest, left);
    }
  }

  #count(evidence: Evidence, { body }: Row, sign: 1 | -1): void {
    const { writer } = evidence;
    const tenant = tenantOf(evidence);
    const key = JSON.stringify([writer, tenant]);
    const { rows, bytes } = this.#shares.get(key) ?? { rows: 0, bytes: 0 };
    if (rows + sign === 0) this.#shares.delete(key);
    else {
      const share = { rows: rows + sign, bytes: bytes + sign * body.length };
      this.#shares.set(key, { writer, tenant, ...share });
    }
  }

  readonly #section = ({ id, body, kind }: Row): Section => {
    const known = this.#unpacked.get(id);
    if (known?.body === body) return known.section;
    const section = openSummary(body, kind);
    this.#unpacked.set(id, { body, section });
    return section;
  };
}

/** Bounds what an evaluation reads, also if the store has more reports of one writer about one image than a push allows: the newest ones count. */
function boundedList(list: readonly Evidence[], writer: string): readonly Evidence[] {
  const own = list.filter((each) => each.writer === writer);
  if (own.length <= MOST_OF_DIGEST.ofWriter.rows) return list;
  const oldest = own.reduce((a, b) => (b.receivedAt < a.receivedAt ? b : a));
  return list.filter((each) => each !== oldest);
}

/** Reports whether only the mark of the last use differs, which no verdict depends on. */
function isSameReport(a: Row, b: Row): boolean {
  return (
    a.reported_at === b.reported_at &&
    a.received_at === b.received_at &&
    a.digests === b.digests &&
    Buffer.compare(a.body, b.body) === 0
  );
}

/** Keeps them current. */
export function evidenceFollower(evidence: ImageEvidence): Follower {
  return {
    kinds: ['evidence'],
    load: () => evidence.load(),
    refresh: (id) => evidence.refresh(id),
  };
}
