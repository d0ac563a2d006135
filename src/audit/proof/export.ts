import { mkdir, open, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { openCheckpoint } from '../../crypto/log/checkpoint.ts';
import { HASH_BYTES, leafHash } from '../../crypto/log/merkle.ts';
import { parseVerifierKey } from '../../crypto/log/signed-note.ts';
import {
  decodeBundle,
  encodeBundle,
  grownTiles,
  tilePath,
  TILE_WIDTH,
  type TileAddress,
} from '../../crypto/log/tiles.ts';
import { BrokerError } from '../../domain/errors.ts';
import {
  EXPORT_FILES,
  EXPORT_FORMAT,
  manifestDigest,
  type Manifest,
} from '../records/export-format.ts';
import type { ExportSource } from './export-source.ts';
import { addDamage, type Damage } from '../log/log-damage.ts';

/** Receives the number of processed entries and their total. */
export type Progress = (done: number, total: number) => void;

const EMPTY = new Uint8Array();

/** Writes one export, and records the entries that the source lacks. */
class Exporter {
  damage: readonly Damage[] = [];
  readonly missingTiles: string[] = [];
  readonly #found: Damage[] = [];
  readonly #source: ExportSource;
  readonly #directory: string;
  /** The first entry that is not archived. */
  readonly #live: number;

  constructor(source: ExportSource, directory: string, live: number) {
    this.#source = source;
    this.#directory = directory;
    this.#live = live;
  }

  /** Writes all files but the checkpoint and the manifest. @throws ERR_CONFLICT if entries are archived meanwhile */
  async log(size: number, progress: Progress): Promise<void> {
    const [outcome] = await Promise.allSettled([this.#liveLog(size, progress)]);
    const archived = (await this.#source.truncation())?.end ?? 0;
    if (archived !== this.#live)
      throw new BrokerError(
        'ERR_CONFLICT',
        `the entries before ${archived} were archived during the export; remove ${this.#directory} and export again`,
        { isDetailShown: true },
      );
    if (outcome.status === 'rejected') throw outcome.reason;
  }

  async #liveLog(size: number, progress: Progress): Promise<void> {
    for (const tile of grownTiles(0, size)) {
      await this.#tile(tile);
      if (tile.level === 0) progress(tile.index * TILE_WIDTH + tile.width, size);
    }
    await this.#heads(size);
    if (this.#live > 0) await this.#archive();
  }

  async write(path: string, bytes: Uint8Array): Promise<void> {
    const file = join(this.#directory, path);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, bytes, { flag: 'wx' });
  }

  async #tile(address: TileAddress): Promise<void> {
    const path = tilePath(address);
    const hashes = await this.#source.file(path);
    if (hashes !== undefined) await this.write(path, hashes);
    else if (address.level !== 0) this.missingTiles.push(path);
    const isLive = address.index * TILE_WIDTH >= this.#live;
    if (address.level === 0 && isLive) await this.#bundle(address, hashes);
    else if (address.level === 0 && hashes === undefined) this.missingTiles.push(path);
  }

  /** An entry that differs from its tile is left empty and named. */
  async #bundle({ index, width }: TileAddress, hashes: Uint8Array | undefined): Promise<void> {
    const path = tilePath({ level: 'entries', index, width });
    const given = decodeBundle((await this.#source.file(path)) ?? EMPTY);
    const entries: Uint8Array[] = [];
    for (let i = 0; i < width; i++) {
      const entry = given[i] ?? EMPTY;
      const why = whyDamaged(entry, hashes?.subarray(i * HASH_BYTES, (i + 1) * HASH_BYTES));
      entries.push(why === undefined ? entry : EMPTY);
      if (why !== undefined) addDamage(this.#found, index * TILE_WIDTH + i, why);
    }
    await this.write(path, encodeBundle(entries));
  }

  async #archive(): Promise<void> {
    const file = await open(join(this.#directory, EXPORT_FILES.archive), 'wx');
    try {
      for await (const { name, first, end, sha256, place } of this.#source.archiveObjects())
        await file.write(`${JSON.stringify({ name, first, end, sha256, place })}\n`);
    } finally {
      await file.close();
    }
  }

  async #heads(size: number): Promise<void> {
    const file = await open(join(this.#directory, EXPORT_FILES.heads), 'wx');
    const present: { first: number; end: number }[] = [];
    const announced = new Set<string>();
    try {
      for await (const { key, endorsement, ...head } of this.#source.heads(size)) {
        // A running broker repeats the announcement on each page.
        const line = announced.has(head.writer) ? head : { ...head, key, endorsement };
        if (key !== undefined) announced.add(head.writer);
        await file.write(`${JSON.stringify(line)}\n`);
        const [first, end] = [head.first_index, head.first_index + head.count];
        const last = present.at(-1);
        if (last?.end === first) last.end = end;
        else present.push({ first, end });
      }
    } finally {
      await file.close();
    }
    this.damage = this.#found.flatMap((range) => withReasons(range, present));
  }
}

/** Damaged entries are `altered` instead of `missing` if the store has their batch. */
function withReasons(
  range: Damage,
  present: readonly { readonly first: number; readonly end: number }[],
): readonly Damage[] {
  if (range.why !== 'missing') return [range];
  const parts: Damage[] = [];
  let at = range.first;
  for (const batch of present) {
    const [first, end] = [Math.max(at, batch.first), Math.min(range.end, batch.end)];
    if (first >= end) continue;
    parts.push({ first: at, end: first, why: 'missing' }, { first, end, why: 'altered' });
    at = end;
  }
  parts.push({ first: at, end: range.end, why: 'missing' });
  return parts.filter((part) => part.first < part.end);
}

function whyDamaged(entry: Uint8Array, leaf: Uint8Array | undefined): Damage['why'] | undefined {
  if (leaf === undefined) return 'unproven';
  if (entry.length === 0) return 'missing';
  return leafHash(entry).equals(leaf) ? undefined : 'altered';
}

/**
 * Writes the log as of its last checkpoint into a new directory. Any C2SP tlog-tiles tool can read it, and `verifyExport` checks all of it. If the
 * log is damaged, it writes the entries that verify; the manifest names the others. internals/spec/audit-log-v1.md, "Exports".
 * @throws ERR_NOT_FOUND while the log is empty; ERR_CONFLICT if entries are archived meanwhile.
 */
export async function exportLog(
  source: ExportSource,
  directory: string,
  progress: Progress = () => undefined,
): Promise<Manifest> {
  // The witnessed checkpoint is read first, so that the checkpoint covers all of its entries.
  const witnessed = await source.witnessed();
  const note = await source.checkpoint();
  if (note === undefined) throw new BrokerError('ERR_NOT_FOUND', 'the log is empty');
  const logKey = await source.logKey();
  const verifier = parseVerifierKey(logKey);
  const { origin, size } = openCheckpoint(note, verifier.name, [verifier]);
  await mkdir(directory, { mode: 0o700 });
  const truncation = await source.truncation();
  const exporter = new Exporter(source, directory, truncation?.end ?? 0);
  await exporter.log(size, progress);
  await exporter.write(EXPORT_FILES.checkpoint, Buffer.from(note));
  if (witnessed !== undefined) await exporter.write(EXPORT_FILES.witnessed, Buffer.from(witnessed));
  const { damage, missingTiles } = exporter;
  const covered: Omit<Manifest, 'digest'> = {
    format: EXPORT_FORMAT,
    origin,
    size,
    logKey,
    ...(truncation && { archived: { end: truncation.end, entry: truncation.index } }),
    ...(damage.length > 0 && { damage }),
    ...(missingTiles.length > 0 && { missingTiles }),
  };
  const manifest = { ...covered, digest: manifestDigest(covered) };
  const text = `${JSON.stringify(manifest, undefined, 2)}\n`;
  await exporter.write(EXPORT_FILES.manifest, Buffer.from(text));
  return manifest;
}
