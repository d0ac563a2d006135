import { decodeBase64 } from '../../crypto/random/base64.ts';
import { sha256Hex } from '../../crypto/hashes/digest.ts';
import type { VerifyingKey } from '../../crypto/signatures/signing.ts';
import { announcedKey, endorsedKey } from './boot-announcement.ts';
import { isSigned } from './batch-check.ts';
import { FIRST_PREV, parsePosition, positionText } from './entry.ts';
import type { BatchHead } from './export-format.ts';
import type { Findings } from './finding.ts';

/** The log's facts about one boot. */
export interface WriterSummary {
  readonly writer: string;
  readonly entries: number;
  /** True if its last entry is `broker.stop`, so that it stopped regularly. */
  readonly stopped: boolean;
}

interface Writer {
  seq: number;
  /** Undefined after an entry that the export lacks. */
  head: string | undefined;
  key: VerifyingKey | undefined;
  stopped: boolean;
  /** Gaps of the log before its last batch. */
  gaps: number;
}

interface Place {
  readonly index: number;
  readonly writer: string;
  readonly seq: number;
}

const STOP = ',"action":"broker.stop",';

/** Recomputes every writer's chain and checks each batch's signature, entry by entry in the order of the log. */
export class ChainVerifier {
  readonly #logKey: VerifyingKey;
  readonly #findings: Findings;
  readonly #writers = new Map<string, Writer>();
  #batch: BatchHead | undefined;
  #left = 0;
  /** Counts the places at which batches are missing. After each of them, every writer may continue at a later sequence number. */
  #gaps = 0;
  #isInGap = false;

  constructor(logKey: VerifyingKey, findings: Findings) {
    this.#logKey = logKey;
    this.#findings = findings;
  }

  /** True if the next entry begins a batch, whose head the caller must pass first. */
  get wantsHead(): boolean {
    return this.#left === 0;
  }

  /** True if no batch was begun. */
  get isNew(): boolean {
    return this.#batch === undefined;
  }

  begin(index: number, batch: BatchHead): void {
    const { writer, first_seq } = batch;
    this.#continue(index, batch);
    const known = this.#writerOf(writer);
    this.#batch = batch;
    this.#left = batch.count;
    if (known.gaps < this.#gaps && first_seq > known.seq + 1) {
      known.seq = first_seq - 1;
      known.head = undefined;
    }
    known.gaps = this.#gaps;
    this.#isInGap = false;
    if (batch.first_index !== index || first_seq !== known.seq + 1) {
      const message = `the batch says index ${batch.first_index}, sequence ${first_seq}; expected sequence ${known.seq + 1}`;
      this.#findings.add({ what: 'batch_mismatch', message, index, writer, seq: first_seq });
    }
  }

  /** Continues a chain whose beginning is archived: this batch states its place, and its first entry the hash of the entry before it. */
  #continue(index: number, { writer, first_seq, key, endorsement }: BatchHead): void {
    if (key === undefined || endorsement === undefined || this.#writers.has(writer)) return;
    const seq = first_seq - 1;
    const endorsed = endorsedKey(writer, { key, endorsement }, this.#logKey);
    this.#writers.set(writer, {
      seq,
      head: undefined,
      key: endorsed,
      stopped: false,
      gaps: this.#gaps,
    });
    if (endorsed === undefined) this.#notEndorsed({ index, writer, seq: first_seq });
  }

  /** Records a missing entry of the export. Its batch is missing too (`wantsHead`), or only the entry. */
  missing(index: number): void {
    const batch = this.#batch;
    if (batch === undefined || this.wantsHead) {
      if (!this.#isInGap) this.#gaps += 1;
      this.#isInGap = true;
      return;
    }
    const writer = this.#writerOf(batch.writer);
    writer.seq += 1;
    this.#left -= 1;
    // The boot's key signed the hash of the last entry, so the signature proves that hash even if the entry itself is missing.
    writer.head = this.#left === 0 ? batch.head : undefined;
    if (this.#left === 0) this.#endBatch(index, writer, batch);
  }

  entry(index: number, bytes: Uint8Array): void {
    const batch = this.#batch;
    if (batch === undefined) return;
    const { writer: name } = batch;
    const writer = this.#writerOf(name);
    const seq = writer.seq + 1;
    const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
    // After a missing entry, only this entry states the hash of that entry.
    const prev = writer.head ?? parsePosition(text)?.prev ?? '';
    if (!text.startsWith(positionText({ writer: name, seq, prev }))) {
      const message = 'the entry does not follow the one before it';
      this.#findings.add({ what: 'chain_broken', message, index, writer: name, seq });
    }
    if (seq === 1) this.#announce(writer, text, { index, writer: name, seq });
    writer.seq = seq;
    writer.head = sha256Hex(bytes);
    this.#left -= 1;
    if (this.#left > 0) return;
    writer.stopped = text.includes(STOP);
    this.#endBatch(index, writer, batch);
  }

  summaries(): readonly WriterSummary[] {
    return [...this.#writers].map(([writer, { seq, stopped }]) => ({
      writer,
      entries: seq,
      stopped,
    }));
  }

  #writerOf(name: string): Writer {
    let writer = this.#writers.get(name);
    if (writer === undefined) {
      writer = { seq: 0, head: FIRST_PREV, key: undefined, stopped: false, gaps: 0 };
      this.#writers.set(name, writer);
    }
    return writer;
  }

  #announce(writer: Writer, entry: string, place: Place): void {
    writer.key = announcedKey(entry, this.#logKey);
    if (writer.key === undefined) this.#notEndorsed(place);
  }

  #notEndorsed(place: Place): void {
    const message = 'the boot is not one that the log key endorsed';
    this.#findings.add({ what: 'boot_not_endorsed', message, ...place });
  }

  #endBatch(index: number, { seq, head, key }: Writer, batch: BatchHead): void {
    const place = { index, writer: batch.writer, seq };
    if (batch.head !== head) {
      const message = 'the batch was signed over another last entry';
      this.#findings.add({ what: 'batch_mismatch', message, ...place });
      return;
    }
    const signature = decodeBase64(batch.signature);
    const position = { writer: batch.writer, seq, head: batch.head };
    if (key !== undefined && signature !== undefined && isSigned(position, signature, key)) return;
    const message = "the boot's key did not sign the batch";
    this.#findings.add({ what: 'signature_invalid', message, ...place });
  }
}
