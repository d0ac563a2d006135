import { constantTimeEqual } from '../../crypto/hashes/digest.ts';
import type { ArchiveObject } from '../../ports/audit-log.ts';
import type { Findings } from './finding.ts';
import { parseTruncation, type Truncation } from './truncation.ts';

/** The archived beginning of a log, as an export describes it. */
export interface ArchivedBeginning {
  /** The entries `[0, end)` are archived. */
  readonly end: number;
  /** The entry that signs the truncation. */
  readonly entry: number;
  readonly objects: readonly ArchiveObject[];
}

/** Compares the statements of an export about the archive with the entries of the log that sign it. */
export class TruncationCheck {
  readonly #beginning: ArchivedBeginning;
  readonly #findings: Findings;
  /** Roots of the tree over the entries up to the end of each object. */
  readonly #roots = new Map<number, Uint8Array | undefined>();
  readonly #signed = new Map<string, string>();
  #newest: Truncation | undefined;

  constructor(beginning: ArchivedBeginning, findings: Findings) {
    this.#beginning = beginning;
    this.#findings = findings;
    for (const { end } of beginning.objects) this.#roots.set(end, undefined);
  }

  /** The newest truncation that an entry signs; undefined if there is none. */
  get newest(): Truncation | undefined {
    return this.#newest;
  }

  /** Called for each size of the tree. */
  reached(size: number, root: () => Uint8Array): void {
    if (this.#roots.has(size)) this.#roots.set(size, root());
  }

  /** Called for each entry that was read. */
  entry(index: number, bytes: Uint8Array): void {
    const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
    const truncation = parseTruncation(text);
    if (truncation === undefined) return;
    for (const { name, first, end, sha256 } of truncation.objects)
      this.#signed.set(name, `${first} ${end} ${sha256}`);
    if (index === this.#beginning.entry) this.#newest = truncation;
    const root = this.#roots.get(truncation.end);
    if (root === undefined || constantTimeEqual(root, truncation.root)) return;
    const message = 'the entry signs a truncation with another root than that of the tree';
    this.#findings.add({ what: 'truncation_invalid', message, index });
  }

  /** `isComplete`: all archived entries were read, so that every truncation was seen. */
  end(isComplete: boolean): void {
    const { end, entry, objects } = this.#beginning;
    if (this.#newest?.end !== end || entry < end) {
      const message = `the entries 0 to ${end - 1} are missing: the export says that they are archived, but no entry of the log signs that`;
      this.#findings.add({ what: 'truncation_invalid', message, index: entry });
    }
    let next = 0;
    for (const object of objects) {
      const { name, first, sha256 } = object;
      const signed = this.#signed.get(name);
      const isSigned = signed === `${first} ${object.end} ${sha256}`;
      if ((signed === undefined ? isComplete : !isSigned) || first !== next) {
        const message = `archive.jsonl: the object ${name} is not the one that the log signs for this place`;
        this.#findings.add({ what: 'archive_altered', message, index: first });
      }
      next = object.end;
    }
    if (next === end) return;
    const message = `archive.jsonl: the objects end at entry ${next}, not at ${end}`;
    this.#findings.add({ what: 'archive_altered', message, index: next });
  }
}
