import { createReadStream } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { openLogCheckpoint } from '../../crypto/log/checkpoint.ts';
import { leafHash } from '../../crypto/log/merkle.ts';
import type { NoteVerifier } from '../../crypto/log/signed-note.ts';
import { constantTimeEqual } from '../../crypto/hashes/digest.ts';
import { openTree } from '../../audit/log/stored-tree.ts';
import { BrokerError } from '../../domain/errors.ts';
import type { Store } from '../../ports/store.ts';
import type { NewerLog } from './lost-changes.ts';

/** The line before a delivery of a file sink. */
const HEAD = /^\{"delivery":\{"firstIndex":(\d{1,15}),"count":\d{1,15}\}\}$/;
/** A line of the body of an HTTP sink. */
const OF_HTTP = /^\{"index":(\d{1,15}),"entry":(\{.*\})\}$/;
/** The structured data and the text of a syslog message, behind any header that the receiver writes. */
const OF_SYSLOG = /\[quaymaster@32473 index="(\d{1,15})" origin="(?:[^"\\\]]|\\.)*"\] ?(\{.*\})$/;

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
 * The log that sinks delivered, after the entries of a restored store: what is left after the loss of a disk. The files are those of a file sink, or
 * those in which a receiver kept the lines of an HTTP sink or the messages of a syslog sink, in any order. They have no proofs, so the entries are appended to the tree of the store, whose root must become that of the checkpoint.
 * @param path a file, or a directory of files
 * @throws ERR_CIPHERTEXT_INVALID if they lack an entry up to the checkpoint, or have another one
 */
export async function newerSink(
  path: string,
  { store, size, checkpoint, verifier }: After,
): Promise<NewerLog> {
  const newest = openLogCheckpoint(checkpoint, verifier);
  const { found, isLog } = await readEntries(path, size, newest.size);
  if (!isLog) {
    throw new BrokerError(
      'ERR_CONFIG_INVALID',
      `${path} is not a log: it is not an export or a store of SQLite, and has no line of a file, HTTP or syslog sink in the format json`,
    );
  }
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

/** The entries `[first, end)` by index, from the lines of the files, and whether any line is one of a sink. */
async function readEntries(
  path: string,
  first: number,
  end: number,
): Promise<{ readonly found: ReadonlyMap<number, string>; readonly isLog: boolean }> {
  const found = new Map<number, string>();
  let isLog = false;
  for (const file of await filesAt(path)) {
    let next: number | undefined;
    const keep = (index: number, entry: string): void => {
      isLog = true;
      if (index >= first && index < end) found.set(index, entry);
    };
    const input = createReadStream(file, 'latin1');
    for await (const line of createInterface({ input, crlfDelay: Infinity })) {
      const [, begin] = HEAD.exec(line) ?? [];
      const [, index, entry = ''] = OF_HTTP.exec(line) ?? OF_SYSLOG.exec(line) ?? [];
      if (begin !== undefined) next = Number(begin);
      else if (index !== undefined) keep(Number(index), entry);
      else if (next !== undefined) {
        keep(next, line);
        next += 1;
      }
    }
  }
  return { found, isLog };
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
