import { openCheckpoint, verifierOf, type Checkpoint } from '../../crypto/log/checkpoint.ts';
import { constantTimeEqual } from '../../crypto/hashes/digest.ts';
import { EMPTY_ROOT, foldRight } from '../../crypto/log/merkle.ts';
import { parseVerifierKey, type NoteVerifier } from '../../crypto/log/signed-note.ts';
import { decodeBundle, tileWidth, TILE_WIDTH } from '../../crypto/log/tiles.ts';
import { ChainVerifier, type WriterSummary } from '../records/chain-verifier.ts';
import type { Progress } from './export.ts';
import { ExportFiles } from './export-files.ts';
import type { ArchiveStorage } from '../../ports/archive-storage.ts';
import type { ArchiveObject } from '../../ports/audit-log.ts';
import { ArchiveSource } from '../records/archive-source.ts';
import { TruncationCheck, type ArchivedBeginning } from '../records/truncation-check.ts';
import {
  archiveObjectSchema,
  batchHeadSchema,
  EXPORT_FILES,
  manifestDigest,
  manifestSchema,
  type BatchHead,
  type Manifest,
} from '../records/export-format.ts';
import { Findings, type Finding } from '../records/finding.ts';
import { beginBatch, HeadReader, MissingEntries } from './export-gaps.ts';
import { OriginVerifier, type OpenedOrigin } from '../log/origin-verifier.ts';
import { compactRange } from '../log/stored-tree.ts';
import { TreeVerifier } from './tree-verifier.ts';
import {
  HistoryAnchor,
  witnessedPart,
  type WitnessDemand,
  type WitnessedPart,
} from '../log/history-anchor.ts';

export interface VerifyOptions {
  /** A checkpoint note kept outside the store. Without one, a log looks complete even if the holder of its key truncated or rewrote it. */
  readonly externalCheckpoint?: string | undefined;
  /** The log's verifier key, from a source other than the export. */
  readonly logKey?: string | undefined;
  /** Demands on witnesses. Without them, cosignatures are not checked. */
  readonly witnesses?: WitnessDemand | undefined;
  /** The archive of the log. Without one, archived entries are checked by their hashes only. */
  readonly archive?: ArchiveStorage | undefined;
  readonly progress?: Progress | undefined;
}

/** The archived beginning of the log. */
export interface ArchivedReport {
  /** The entries `[0, end)` are archived. */
  readonly end: number;
  readonly objects: number;
  /** True if they were read from the archive. */
  readonly wasRead: boolean;
  /** The entry that signs the truncation. */
  readonly entry: number;
  readonly time: string | undefined;
  readonly actor: string | undefined;
}

export interface VerifyReport {
  readonly holds: boolean;
  /**
   * `anchored`: the entries are those of the external checkpoint. `self-consistent only`: they are consistent with each other; nothing else is known.
   */
  readonly assurance: 'anchored' | 'self-consistent only' | 'none';
  /** Entries that enough witnesses cosigned; undefined if none were demanded, or the cosignatures are missing. */
  readonly witnessed: WitnessedPart | undefined;
  /** The caller passed the log key, so it was not taken from the export itself. */
  readonly keyGiven: boolean;
  readonly origin: string;
  /** Number of checked entries. */
  readonly size: number;
  readonly batches: number;
  readonly writers: readonly WriterSummary[];
  /** The releases that gave the log a new origin. */
  readonly origins: readonly OpenedOrigin[];
  /** Findings in the order of the log, at most a hundred. */
  readonly findings: readonly Finding[];
  readonly findingCount: number;
  /** Undefined if nothing is archived. */
  readonly archived: ArchivedReport | undefined;
}

function reason(error: unknown): string {
  return error instanceof Error ? error.message : 'unreadable';
}

interface BundleReading {
  readonly manifest: Manifest;
  readonly anchors: readonly HistoryAnchor[];
  readonly tree: TreeVerifier;
  readonly chain: ChainVerifier;
  readonly heads: HeadReader;
  readonly origins: OriginVerifier;
  readonly archived: Archived | undefined;
}

/** Passes the next entry to each verifier; undefined stands for an entry that the export lacks. */
function takeEntry(
  parts: readonly (ChainVerifier | TreeVerifier | OriginVerifier | TruncationCheck | undefined)[],
  index: number,
  bytes: Uint8Array | undefined,
): void {
  for (const part of parts) {
    if (part === undefined) continue;
    if (bytes !== undefined) part.entry(index, bytes);
    else if ('missing' in part) part.missing(index);
  }
}

/** The archived beginning of the log in a verification. */
interface Archived {
  readonly beginning: ArchivedBeginning;
  readonly check: TruncationCheck;
  /** Undefined without an archive. */
  readonly source: ArchiveSource | undefined;
}

class Verification {
  readonly #files: ExportFiles;
  readonly #options: VerifyOptions;
  readonly #findings = new Findings();
  #batches = 0;
  #external: HistoryAnchor | undefined;
  #witnessed: WitnessedPart | undefined;
  #archived: Archived | undefined;

  constructor(directory: string, options: VerifyOptions) {
    this.#files = new ExportFiles(directory);
    this.#options = options;
  }

  async run(): Promise<VerifyReport> {
    const opened = await this.#openManifest();
    if (opened === undefined) return this.#report('', 0, { writers: [], origins: [] });
    const { manifest, verifier } = opened;
    const { origin, size } = manifest;
    const checkpoint = await this.#openCheckpoint(manifest, verifier);
    const anchors = await this.#openAnchors(verifier);
    const tree = new TreeVerifier(this.#files, size, this.#findings);
    const chain = new ChainVerifier(verifier.key, this.#findings);
    const origins = new OriginVerifier(this.#findings, this.#unreadHint(manifest));
    try {
      const archived = await this.#openArchive(manifest);
      this.#archived = archived;
      await this.#readLog({ manifest, anchors, tree, chain, origins, archived });
    } catch (error) {
      this.#findings.add({ what: 'unreadable', message: reason(error), index: tree.size });
    }
    if (checkpoint !== undefined && tree.size === size) this.#compareRoot(tree, checkpoint);
    await origins.check(origin, (first) => this.#computeRoot(first, size));
    this.#compareName(verifier, origin, origins);
    for (const anchor of anchors) anchor.settle(manifest, origins, this.#findings);
    const { witnesses } = this.#options;
    if (witnesses !== undefined)
      this.#witnessed = witnessedPart(anchors, witnesses, this.#findings);
    return this.#report(origin, tree.size, {
      writers: chain.summaries(),
      origins: origins.opened,
    });
  }

  /** The root over the first entries, from the tiles of the export. The tree verifier compares all tiles with the entries. */
  async #computeRoot(first: number, size: number): Promise<Uint8Array> {
    if (first === 0) return EMPTY_ROOT;
    const hashes = await compactRange(first, ({ level, index }) =>
      this.#files.tile({ level, index, width: tileWidth(level, index, size) }),
    );
    return foldRight(hashes);
  }

  /** The caller may know the log by an earlier origin, under the same key. */
  #compareName({ name }: NoteVerifier, origin: string, origins: OriginVerifier): void {
    if (origins.has(name, origin)) return;
    const message = `the log key is that of ${name}; the export is of ${origin} and does not continue it${origins.hint}`;
    this.#findings.add({ what: 'checkpoint_invalid', message });
  }

  /** An archived entry may have opened an origin. */
  #unreadHint({ archived }: Manifest): string {
    const isUnread = archived !== undefined && this.#options.archive === undefined;
    return isUnread ? ' in its live part: pass --archive to read the archived entries too' : '';
  }

  async #openManifest(): Promise<{ manifest: Manifest; verifier: NoteVerifier } | undefined> {
    try {
      const text = (await this.#files.read(EXPORT_FILES.manifest)).toString('utf8');
      const manifest = manifestSchema.parse(JSON.parse(text));
      this.#checkManifest(manifest);
      const verifier = parseVerifierKey(this.#options.logKey?.trim() ?? manifest.logKey);
      return { manifest, verifier };
    } catch (error) {
      this.#findings.add({ what: 'unreadable', message: `manifest: ${reason(error)}` });
      return undefined;
    }
  }

  #checkManifest(manifest: Manifest): void {
    if (manifest.digest === manifestDigest(manifest)) return;
    const message = 'manifest.json is not what its digest was taken over';
    this.#findings.add({ what: 'manifest_altered', message });
  }

  async #openCheckpoint(
    { origin, size, logKey }: Manifest,
    verifier: NoteVerifier,
  ): Promise<Checkpoint | undefined> {
    try {
      const note = (await this.#files.read(EXPORT_FILES.checkpoint)).toString('utf8');
      const { publicKey } = verifier.key;
      const checkpoint = openCheckpoint(note, origin, [verifierOf(origin, publicKey)]);
      if (!constantTimeEqual(parseVerifierKey(logKey).key.publicKey, publicKey)) {
        const message =
          'manifest.json names another log key than the one that signed the checkpoint';
        this.#findings.add({ what: 'manifest_altered', message });
      }
      if (checkpoint.size === size) return checkpoint;
      const message = `the checkpoint covers ${checkpoint.size} entries, the export has ${size}`;
      this.#findings.add({ what: 'checkpoint_invalid', message });
    } catch {
      const message = (await this.#isLogOf(origin, logKey))
        ? 'this is not the log of that log key: the key that manifest.json names signed the checkpoint'
        : 'the log key did not sign the checkpoint of the export';
      this.#findings.add({ what: 'checkpoint_invalid', message });
    }
    return undefined;
  }

  /** Reports whether another log key than the given one signed the checkpoint: the caller may have confused two logs. */
  async #isLogOf(origin: string, logKey: string): Promise<boolean> {
    if (logKey === (this.#options.logKey?.trim() ?? logKey)) return false;
    try {
      const note = (await this.#files.read(EXPORT_FILES.checkpoint)).toString('utf8');
      openCheckpoint(note, origin, [parseVerifierKey(logKey)]);
      return true;
    } catch {
      return false;
    }
  }

  async #openAnchors(log: NoteVerifier): Promise<readonly HistoryAnchor[]> {
    const { externalCheckpoint, witnesses } = this.#options;
    this.#external = this.#openAnchor(externalCheckpoint, 'the external checkpoint', log);
    // An export of a log without witnesses has no such file.
    const note =
      witnesses &&
      (await this.#files.read(EXPORT_FILES.witnessed).catch(() => undefined))?.toString('utf8');
    const witnessed = this.#openAnchor(note, 'the witnessed checkpoint', log);
    return [this.#external, witnessed].filter((anchor) => anchor !== undefined);
  }

  #openAnchor(
    note: string | undefined,
    source: string,
    log: NoteVerifier,
  ): HistoryAnchor | undefined {
    if (note === undefined) return undefined;
    const witnesses = this.#options.witnesses?.keys ?? [];
    try {
      return new HistoryAnchor(note, source, { log, witnesses });
    } catch {
      const cosigned = ', or a cosignature of a given witness does not verify';
      const message = `the log key did not sign ${source}${witnesses.length === 0 ? '' : cosigned}`;
      this.#findings.add({ what: 'checkpoint_invalid', message });
      return undefined;
    }
  }

  async #openArchive({ archived, size }: Manifest): Promise<Archived | undefined> {
    if (archived === undefined) return undefined;
    const isPossible = archived.end % TILE_WIDTH === 0 && archived.end <= size;
    if (!isPossible) throw new Error('manifest: archived is not a part of this log');
    const objects: ArchiveObject[] = [];
    for await (const line of this.#files.lines(EXPORT_FILES.archive))
      objects.push(archiveObjectSchema.parse(JSON.parse(line)));
    const beginning = { ...archived, objects };
    const { archive } = this.#options;
    const source = archive && new ArchiveSource(archive, objects, this.#findings);
    return { beginning, source, check: new TruncationCheck(beginning, this.#findings) };
  }

  async #readLog(log: Omit<BundleReading, 'heads'>): Promise<void> {
    const heads = new HeadReader(this.#heads());
    try {
      await this.#readBundles({ ...log, heads });
    } finally {
      // Closed here, because an unreadable bundle would leave the file open.
      await heads.close();
    }
  }

  async #readBundles(reading: BundleReading): Promise<void> {
    const { manifest, anchors, tree, chain, heads, origins, archived } = reading;
    const { size } = manifest;
    const missing = new MissingEntries(manifest.damage ?? [], this.#findings);
    for (let bundle = 0; bundle * TILE_WIDTH < size; bundle++) {
      const entries = await this.#bundle(bundle, reading);
      await tree.beginBundle(bundle);
      for (const bytes of entries) {
        const index = tree.size;
        const isMissing = bytes === undefined || missing.has(index);
        if (chain.wantsHead) await beginBatch(index, heads, { chain, isMissing });
        const parts = [chain, tree, origins, archived?.check];
        takeEntry(parts, index, isMissing ? undefined : bytes);
        archived?.check.reached(tree.size, () => tree.root());
        for (const anchor of anchors) anchor.compareAt(tree);
      }
      await tree.endBundle();
      this.#options.progress?.(tree.size, size);
    }
    archived?.check.end(archived.source !== undefined);
    await this.#expectNoMore(heads, chain, size);
  }

  /** Undefined for each entry that was not read because it is archived. */
  async #bundle(
    index: number,
    { manifest, archived }: BundleReading,
  ): Promise<readonly (Uint8Array | undefined)[]> {
    if (archived !== undefined && index * TILE_WIDTH < archived.beginning.end)
      return (
        (await archived.source?.bundle(index)) ?? new Array<undefined>(TILE_WIDTH).fill(undefined)
      );
    const width = tileWidth('entries', index, manifest.size);
    const entries = decodeBundle(await this.#files.tile({ level: 'entries', index, width }));
    if (entries.length !== width)
      throw new Error(`entry bundle ${index} has ${entries.length} entries instead of ${width}`);
    return entries;
  }

  async *#heads(): AsyncGenerator<BatchHead, undefined> {
    let next = 0;
    for await (const head of this.#archived?.source?.heads() ?? []) {
      this.#batches += 1;
      next = head.first_index + head.count;
      yield head;
    }
    for await (const line of this.#files.lines(EXPORT_FILES.heads)) {
      const head = batchHeadSchema.parse(JSON.parse(line));
      // The archive and the export both have the batch at the end of the archive.
      if (head.first_index < next) continue;
      this.#batches += 1;
      yield head;
    }
    return undefined;
  }

  async #expectNoMore(heads: HeadReader, chain: ChainVerifier, index: number): Promise<void> {
    const next = await heads.next();
    if (next === undefined && chain.wantsHead) return;
    const message = 'heads.jsonl has batches beyond the last entry';
    this.#findings.add({ what: 'batch_mismatch', message, index });
  }

  #compareRoot(tree: TreeVerifier, checkpoint: Checkpoint): void {
    if (constantTimeEqual(tree.root(), checkpoint.root)) return;
    const message = 'the entries do not hash to the root that the checkpoint signs';
    this.#findings.add({ what: 'root_mismatch', message });
  }

  #report(
    origin: string,
    size: number,
    found: Pick<VerifyReport, 'writers' | 'origins'>,
  ): VerifyReport {
    const holds = this.#findings.count === 0;
    return {
      holds,
      assurance: !holds
        ? 'none'
        : this.#external?.isMatched === true
          ? 'anchored'
          : 'self-consistent only',
      witnessed: holds ? this.#witnessed : undefined,
      keyGiven: this.#options.logKey !== undefined,
      origin,
      size,
      batches: this.#batches,
      ...found,
      findings: this.#findings.all,
      findingCount: this.#findings.count,
      archived: this.#archived && archivedReport(this.#archived),
    };
  }
}

function archivedReport({ beginning, check, source }: Archived): ArchivedReport {
  const { end, entry, objects } = beginning;
  const { time, actor } = check.newest ?? {};
  return { end, entry, objects: objects.length, wasRead: source !== undefined, time, actor };
}

/**
 * Checks an export offline, in one pass and constant memory: every leaf, tile and root, every writer's chain, every batch's signature under
 * a key that the log key endorsed, the checkpoint, and that the external checkpoint is part of this history. It never throws for the
 * content of an export: it reports findings.
 */
export function verifyExport(
  directory: string,
  options: VerifyOptions = {},
): Promise<VerifyReport> {
  return new Verification(directory, options).run();
}
