import { createReadStream } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { openLogCheckpoint } from '../crypto/log/checkpoint.ts';
import { leafHash } from '../crypto/log/merkle.ts';
import type { NoteVerifier } from '../crypto/log/signed-note.ts';
import { constantTimeEqual } from '../crypto/hashes/digest.ts';
import { openTree } from '../audit/tree/stored-tree.ts';
import { BrokerError } from '../domain/errors.ts';
import type { Store } from '../ports/store.ts';
import type { NewerLog } from './lost-changes.ts';

const HEAD = /^\{"delivery":\{"firstIndex":(\d{1,15}),"count":\d{1,15}\}\}$/;

interface After {
  /** The restored store. */
  readonly store: Store;
  /** The number of entries in its tree. */
  readonly size: number;
  /** A checkpoint of the lost history, which the log key signed: the checkpoint file, or a copy of it. */
  readonly checkpoint: string;
  readonly verifier: NoteVerifier;
}

/**
 * The log that file sinks delivered, after the entries of a restored store: what is left after the loss of a disk. The files may be of several rotations
 * and in any order. They have no proofs, so the entries are appended to the tree of the store, whose root must become that of the checkpoint.
 * @param path a file, or a directory of files
 * @throws ERR_CIPHERTEXT_INVALID if they lack an entry up to the checkpoint, or have another one
 */
export async function newerSink(
  path: string,
  { store, size, checkpoint, verifier }: After,
): Promise<NewerLog> {
  const newest = openLogCheckpoint(checkpoint, verifier);
  const found = await readEntries(path, size, newest.size);
  const tree = await openTree(store, size);
  const entries: string[] = [];
  for (let index = size; index < newest.size; index += 1) {
    const entry = found.get(index);
    if (entry === undefined)
      throw invalid(
        `${path} lacks entry ${index} of the log; the entries ${size} to ${newest.size - 1} are needed for a proof by the checkpoint`,
      );
    tree.append(leafHash(Buffer.from(entry, 'latin1')));
    entries.push(entry);
  }
  if (newest.size < size || !constantTimeEqual(tree.root(), newest.root))
    throw invalid(`${path} does not continue the log of the store up to the checkpoint`);
  return {
    archived: { first: size, end: size },
    entries: () => Readable.from(entries.map((entry, at) => ({ index: size + at, entry }))),
  };
}

/** The entries `[first, end)` by index, from the lines of the files. */
async function readEntries(
  path: string,
  first: number,
  end: number,
): Promise<ReadonlyMap<number, string>> {
  const found = new Map<number, string>();
  for (const file of await filesAt(path)) {
    let next: number | undefined;
    const input = createReadStream(file, 'latin1');
    for await (const line of createInterface({ input, crlfDelay: Infinity })) {
      const [, place] = HEAD.exec(line) ?? [];
      const index = place === undefined ? next : undefined;
      if (index !== undefined && index >= first && index < end) found.set(index, line);
      if (place !== undefined) next = Number(place);
      else if (index !== undefined) next = index + 1;
    }
  }
  return found;
}

async function filesAt(path: string): Promise<readonly string[]> {
  try {
    if (!(await stat(path)).isDirectory()) return [path];
    const entries = await readdir(path, { withFileTypes: true });
    return entries.filter((entry) => entry.isFile()).map(({ name }) => join(path, name));
  } catch (cause) {
    const { code = 'unknown' } = cause as NodeJS.ErrnoException;
    throw new BrokerError('ERR_CONFIG_INVALID', `cannot read ${path}: ${code}`, { cause });
  }
}

function invalid(text: string): BrokerError {
  return new BrokerError('ERR_CIPHERTEXT_INVALID', text);
}
