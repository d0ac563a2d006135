import { openCheckpoint, verifierOf, type Checkpoint } from '../../crypto/log/checkpoint.ts';
import { cosignaturesOf, type Cosignature } from '../../crypto/log/cosignature.ts';
import { constantTimeEqual } from '../../crypto/hashes/digest.ts';
import type { NoteVerifier } from '../../crypto/log/signed-note.ts';
import type { Manifest } from '../records/export-format.ts';
import type { Findings } from '../records/finding.ts';
import type { OriginVerifier } from './origin-verifier.ts';

/** The witnesses that a verification demands. */
export interface WitnessDemand {
  readonly keys: readonly NoteVerifier[];
  /** Cosignatures that one checkpoint must have. */
  readonly required: number;
}

/** The part of the log that witnesses cosigned. */
export interface WitnessedPart {
  readonly size: number;
  readonly names: readonly string[];
  /** Seconds since the epoch: the earliest of the cosignatures. */
  readonly time: number;
}

/** A checkpoint that the log key signed earlier, under this origin or one before it: the export must begin with its entries. */
export class HistoryAnchor {
  readonly checkpoint: Checkpoint;
  readonly cosignatures: readonly Cosignature[];
  readonly #source: string;
  /** Result of the comparison of the roots at its size; undefined before it. */
  #isHistory: boolean | undefined;
  #isMatched = false;

  /** @throws ERR_CIPHERTEXT_INVALID unless the log key signed the note; a cosignature of a known witness must verify, too. */
  constructor(
    note: string,
    source: string,
    { log, witnesses }: { readonly log: NoteVerifier; readonly witnesses: readonly NoteVerifier[] },
  ) {
    // A checkpoint may be of an earlier origin. The entries prove afterwards that the log continued it.
    const [origin = ''] = note.split('\n', 1);
    this.checkpoint = openCheckpoint(note, origin, [verifierOf(origin, log.key.publicKey)]);
    this.cosignatures = cosignaturesOf(note, witnesses);
    this.#source = source;
    if (this.checkpoint.size === 0) this.#isHistory = true;
  }

  /** True if the export continues the checkpoint. */
  get isMatched(): boolean {
    return this.#isMatched;
  }

  get part(): WitnessedPart {
    return {
      size: this.checkpoint.size,
      names: this.#names,
      time: Math.min(...this.cosignatures.map(({ time }) => time)),
    };
  }

  get #names(): readonly string[] {
    return this.cosignatures.map(({ witness }) => witness.name);
  }

  /** Compares the roots, once the verification has read as many entries as the checkpoint covers. */
  compareAt(tree: { readonly size: number; root(): Uint8Array }): void {
    const { size, root } = this.checkpoint;
    if (tree.size === size) this.#isHistory = constantTimeEqual(tree.root(), root);
  }

  /** Reports the result of the comparison, after all entries were read. */
  settle(
    { origin, size }: Pick<Manifest, 'origin' | 'size'>,
    origins: OriginVerifier,
    findings: Findings,
  ): void {
    const { checkpoint } = this;
    if (!origins.covers(checkpoint, origin)) return;
    this.#isMatched = this.#isHistory === true;
    if (checkpoint.size > size) {
      const message = `${this.#source} covers ${checkpoint.size} entries; from here on they are missing`;
      findings.add({ what: 'tail_missing', message, index: size });
    } else if (this.#isHistory === false) {
      const names = this.#names;
      const cosigned = names.length === 0 ? '' : `, which ${names.join(' and ')} cosigned`;
      const message = `the first ${checkpoint.size} entries are not those of ${this.#source}${cosigned}`;
      findings.add({ what: 'other_history', message });
    }
  }
}

/** The largest part that enough of the demanded witnesses cosigned; a finding if there is none. */
export function witnessedPart(
  anchors: readonly HistoryAnchor[],
  { required, keys }: WitnessDemand,
  findings: Findings,
): WitnessedPart | undefined {
  const found = anchors
    .filter(({ isMatched, cosignatures }) => isMatched && cosignatures.length >= required)
    .sort((left, right) => right.checkpoint.size - left.checkpoint.size);
  if (found[0] !== undefined) return found[0].part;
  const most = Math.max(0, ...anchors.map(({ cosignatures }) => cosignatures.length));
  const message = `no checkpoint of this log has cosignatures of ${required} of the ${keys.length} given witnesses; the best has ${most}`;
  findings.add({ what: 'not_witnessed', message });
  return undefined;
}
