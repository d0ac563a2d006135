import {
  consistencyProof,
  inclusionProof,
  verifyConsistency,
  verifyInclusion,
} from '../../crypto/log/proofs.ts';
import { HASH_BYTES, leafHash } from '../../crypto/log/merkle.ts';
import { verifierKeyText, type NoteVerifier } from '../../crypto/log/signed-note.ts';
import {
  encodeBundle,
  nodesFromTiles,
  parseTilePath,
  tileWidth,
  TILE_WIDTH,
  type TileAddress,
} from '../../crypto/log/tiles.ts';
import { BrokerError } from '../../domain/errors.ts';
import type { PageRequest } from '../../domain/page.ts';
import type {
  AcceptValues,
  ArchiveObject,
  AuditLog,
  AuditQuery,
  DecisionsPage,
  DecisionsWindow,
  EntryProof,
  LogCheckpoint,
  LogEntry,
  LogPage,
  LogTruncation,
} from '../../ports/audit-log.ts';
import type { RowReader } from '../../ports/store.ts';
import type { ArchiveStorage } from '../../ports/archive-storage.ts';
import { ArchiveReader } from '../records/archive-reader.ts';
import { ArchivedLog } from './archived-log.ts';
import { batchHeads } from '../records/batch-heads.ts';
import { readDecisions } from './decisions.ts';
import type { BatchHead } from '../records/export-format.ts';
import { ProvenEntries, type ProvenMatches, type ProvenPart } from './proven-entries.ts';
import { searchEntries } from './search.ts';
import type { Candidates } from '../records/stored-batches.ts';
import type { BundleRows } from './bundle-rows.ts';
import { storedWitnessed } from './witnessed-checkpoint.ts';
import { readRoot, storedCheckpoint, tileReader, type SignedCheckpoint } from './stored-tree.ts';

interface ReaderOptions {
  /** Resolves when the last checkpoint covers what was committed before the call, or when that takes too long. */
  readonly catchUp?: () => Promise<void>;
  /** Storage from which archived entries are read. */
  readonly archive?: ArchiveStorage | undefined;
}

interface SearchOptions {
  readonly accepts?: AcceptValues | undefined;
  /** Once it is aborted, the search ends with the page that it has, and a cursor. */
  readonly signal?: AbortSignal | undefined;
}

/** The log as readers see it: the entries that the last checkpoint covers, at most a second behind the last commit. */
export class LogReader implements Omit<AuditLog, 'pending' | 'reads' | 'readers' | 'search'> {
  readonly #store: RowReader;
  readonly #verifier: NoteVerifier;
  readonly #proven: ProvenEntries;
  /** Beginning of the live log. */
  readonly archived: ArchivedLog;
  readonly #catchUp: () => Promise<void>;
  readonly #objects: ArchiveReader;
  /** The last checkpoint that was verified. Sinks ask for it four times a second. */
  #verified: SignedCheckpoint | undefined;

  constructor(
    store: RowReader,
    { verifier }: { readonly verifier: NoteVerifier },
    { catchUp = (): Promise<void> => Promise.resolve(), archive }: ReaderOptions = {},
  ) {
    this.#store = store;
    this.#verifier = verifier;
    this.#catchUp = catchUp;
    this.#objects = new ArchiveReader(archive);
    this.#proven = new ProvenEntries(store);
    this.archived = new ArchivedLog(store, this.#proven, () => this.checkpoint());
  }

  /** Undefined before the first entry is in the tree. @throws ERR_CIPHERTEXT_INVALID if the stored checkpoint is not the log's. */
  async checkpoint(): Promise<SignedCheckpoint | undefined> {
    this.#verified = await storedCheckpoint(this.#store, this.#verifier, this.#verified);
    return this.#verified;
  }

  /** The newest checkpoint that enough witnesses cosigned; undefined if there is none. */
  async witnessed(): Promise<LogCheckpoint | undefined> {
    return storedWitnessed(this.#store, this.#verifier, []);
  }

  async size(): Promise<number> {
    return (await this.checkpoint())?.size ?? 0;
  }

  /** Entries `[start, end)`, limited to the end of the log. @throws DamagedLog */
  async entries(start: number, end: number): Promise<readonly LogEntry[]> {
    const checkpoint = await this.checkpoint();
    if (checkpoint === undefined) return [];
    const entries = await this.#proven.read(checkpoint, start, Math.min(end, checkpoint.size));
    return entries.map((entry, i) => ({ index: start + i, entry }));
  }

  /** Entries `[start, end)` of a checkpoint's tree that match its signature; the others are undefined. */
  some(checkpoint: LogCheckpoint, start: number, end: number): Promise<ProvenPart> {
    return this.#proven.readSome(checkpoint, start, end);
  }

  /** Resolves when the checkpoint covers what this process committed before the call, or when that takes too long. */
  catchUp(): Promise<void> {
    return this.#catchUp();
  }

  /** Newest first; see `searchEntries`. The first page includes everything that this process committed before. @throws DamagedLog */
  async search(
    query: AuditQuery,
    page: PageRequest,
    { accepts, signal }: SearchOptions = {},
  ): Promise<LogPage> {
    if (page.after === undefined) await this.#catchUp();
    const checkpoint = await this.checkpoint();
    if (checkpoint === undefined) return { items: [] };
    const read = (candidates: Candidates<BundleRows>): Promise<ProvenMatches> =>
      this.#proven.readMatching(checkpoint, candidates);
    const { archived } = this;
    const log = { store: this.#store, size: checkpoint.size, archived, read, signal };
    return archived.read((live) => searchEntries({ ...log, live }, { ...query, accepts }, page));
  }

  /** The first page includes everything that this process committed before. @throws DamagedLog */
  decisions(
    query: Pick<AuditQuery, 'from' | 'to'>,
    window: DecisionsWindow,
    signal?: AbortSignal,
  ): Promise<DecisionsPage> {
    return readDecisions((page) => this.search(query, page, { signal }), window, signal);
  }

  /** @throws DamagedLog */
  async oldest(): Promise<LogEntry | undefined> {
    return this.archived.read(async (live) => (await this.entries(live, live + 1))[0]);
  }

  /** @throws ERR_NOT_FOUND for an index beyond the log; ERR_CIPHERTEXT_INVALID if the store cannot prove its own entry. */
  async proveEntry(index: number): Promise<EntryProof> {
    const checkpoint = await this.checkpoint();
    if (checkpoint === undefined || index < 0 || index >= checkpoint.size)
      throw new BrokerError('ERR_NOT_FOUND');
    const { size, root } = checkpoint;
    const entry = await this.archived.read((live) =>
      index < live
        ? this.#readArchivedEntry(checkpoint, index)
        : this.#liveEntry(checkpoint, index),
    );
    const leaf = leafHash(Buffer.from(entry, 'latin1'));
    const hashes = await inclusionProof(index, size, this.#nodes(size));
    if (!verifyInclusion({ leaf, index, size, root }, hashes))
      throw new BrokerError('ERR_CIPHERTEXT_INVALID');
    return { index, entry, leaf, hashes, checkpoint };
  }

  async #liveEntry(checkpoint: LogCheckpoint, index: number): Promise<string> {
    const [entry = ''] = await this.#proven.read(checkpoint, index, index + 1);
    return entry;
  }

  /** Reads the entry from the archive, unless the store still has it. */
  async #readArchivedEntry(checkpoint: LogCheckpoint, index: number): Promise<string> {
    const { entries } = await this.#proven.readSome(checkpoint, index, index + 1);
    const [entry] = entries;
    if (entry !== undefined) return entry;
    const object = await this.archived.findObject(index);
    if (object === undefined)
      throw new BrokerError(
        'ERR_NOT_FOUND',
        `entry ${index} is archived, and the store no longer lists its object`,
        { isDetailShown: true },
      );
    return this.#objects.entry(object, index);
  }

  async truncation(): Promise<LogTruncation | undefined> {
    const newest = await this.archived.newest();
    return (
      newest && { index: newest.index, end: newest.end, time: newest.time, actor: newest.actor }
    );
  }

  archiveObjects(from: number): AsyncGenerator<ArchiveObject> {
    return this.archived.objects(from);
  }

  /** Proof that the tree of `first` entries is a prefix of the tree of a checkpoint. @throws ERR_NOT_FOUND, ERR_CIPHERTEXT_INVALID. */
  async proveGrowth(first: number, { size, root }: LogCheckpoint): Promise<readonly Uint8Array[]> {
    if (first < 1 || first > size) throw new BrokerError('ERR_NOT_FOUND');
    const hashes = await consistencyProof(first, size, this.#nodes(size));
    const firstRoot = await readRoot(this.#store, first);
    const claim = { first, firstRoot, second: size, secondRoot: root };
    if (!verifyConsistency(claim, hashes)) throw new BrokerError('ERR_CIPHERTEXT_INVALID');
    return hashes;
  }

  /** A tile or an entry bundle by its C2SP tlog-tiles path, `tile/…`; undefined if the log lacks it. */
  async file(path: string): Promise<Uint8Array | undefined> {
    const tile = parseTilePath(path);
    if (tile === undefined) return undefined;
    const checkpoint = await this.checkpoint();
    if (checkpoint === undefined) return undefined;
    const width = tileWidth(tile.level, tile.index, checkpoint.size);
    if (tile.width > width) return undefined;
    if (tile.level === 'entries')
      return this.archived.read((live) => this.#bundle({ ...checkpoint, live }, tile));
    return tile.level === 0 ? this.#leaves(checkpoint, tile) : this.#tile(tile);
  }

  /** The log's verifier key (C2SP signed note). */
  logKey(): Promise<string> {
    const { name, key } = this.#verifier;
    return Promise.resolve(verifierKeyText(name, key.publicKey));
  }

  async heads(start: number, limit: number): Promise<readonly BatchHead[]> {
    const heads: BatchHead[] = [];
    for await (const head of this.allHeads(start, await this.size())) {
      heads.push(head);
      if (heads.length === limit) break;
    }
    return heads;
  }

  /** Heads of the commits that hold entries `[start, end)` of the live log, in order. */
  async *allHeads(start: number, end: number): AsyncGenerator<BatchHead> {
    const live = await this.archived.end();
    yield* batchHeads(this.#store, { start, end, live });
  }

  #nodes(size: number): ReturnType<typeof nodesFromTiles> {
    return nodesFromTiles(size, tileReader(this.#store));
  }

  /** Undefined if the store lacks the tile or a part of it. */
  async #tile({ level, index, width }: TileAddress): Promise<Uint8Array | undefined> {
    const row = await this.#store.get('log_tiles', { level: Number(level), tile_index: index });
    const isWhole = row !== undefined && row.hashes.length >= width * HASH_BYTES;
    return isWhole ? row.hashes.subarray(0, width * HASH_BYTES) : undefined;
  }

  /** Proven leaf hashes; undefined if they are damaged. */
  async #leaves(
    checkpoint: LogCheckpoint,
    { index, width }: TileAddress,
  ): Promise<Uint8Array | undefined> {
    const leaves = await this.#proven.leaves(checkpoint, index);
    return leaves?.subarray(0, width * HASH_BYTES);
  }

  /** A damaged entry is left empty in its bundle, so that the others can be exported; an empty entry never verifies. */
  async #bundle(
    { live, ...checkpoint }: LogCheckpoint & { readonly live: number },
    { index, width }: TileAddress,
  ): Promise<Uint8Array> {
    const start = index * TILE_WIDTH;
    const archived = await this.archived.part(start, Math.min(start + 1, live));
    if (archived !== undefined)
      throw new BrokerError(
        'ERR_NOT_FOUND',
        `entries ${start} to ${start + width - 1} are archived in ${archived.objects.join(', ')}`,
        { isDetailShown: true },
      );
    const { entries } = await this.#proven.readSome(checkpoint, start, start + width);
    return encodeBundle(entries.map((entry) => Buffer.from(entry ?? '', 'latin1')));
  }
}
