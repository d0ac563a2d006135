import { closeSync, fdatasync, fsyncSync, openSync, readFileSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import type { Store } from '../../ports/store.ts';
import type { ChainedBatch } from './chained-batch.ts';
import type { LocalBatches } from './local-batches.ts';
import { StoredBatches } from './stored-batches.ts';

/** Length of the file: less than one sector, so that a power loss leaves the old text or the new one. */
const BYTES = 128;
const LINE = /^(w[0-9a-z]{9}-[0-9A-Za-z]{10}) ([1-9][0-9]{0,15}) ([0-9a-f]{64}) *\n$/;

const syncData = promisify(fdatasync);

/** The place of one entry: the boot that wrote it, its number there, and its hash. */
export interface LastCommit {
  readonly writer: string;
  readonly seq: number;
  readonly head: string;
}

/**
 * The place of the last acknowledged entry, in a file beside the checkpoint file. SQLite drops the end of a damaged write-ahead log without an error,
 * and the checkpoint file is up to a second older than the last response.
 * The line is written after the commit is durable and before the commit is answered. The integrator syncs it four times a second. So a killed process
 * loses none of it, and after a power loss it is at most a quarter of a second older than the store: it then proves less, but never holds the store
 * by mistake. Only for a store without other writers.
 */
export class LastCommitFile {
  readonly #path: string;
  readonly #line = Buffer.alloc(BYTES, ' ');
  #file: number | undefined;
  /** True if the file was written after the last sync. */
  #isUnsynced = false;
  #unfollow: () => void = () => undefined;

  constructor(path: string) {
    this.#path = path;
    this.#line[BYTES - 1] = 0x0a;
  }

  /** Undefined if the file names no entry yet. */
  read(): LastCommit | 'unreadable' | undefined {
    const text = this.#text();
    if (text.trim() === '') return undefined;
    const [, writer, seq, head] = LINE.exec(text) ?? [];
    if (writer === undefined || head === undefined) return 'unreadable';
    return { writer, seq: Number(seq), head };
  }

  /** Reports whether the store has the entry that the file names. An unreadable file is not believed. */
  async isIn(store: Store): Promise<boolean> {
    const named = this.read();
    if (named === undefined) return true;
    if (named === 'unreadable') return false;
    const { writer, seq, head } = named;
    const batch = await new StoredBatches(store).find(writer, seq);
    if (batch === undefined || batch.first_seq + batch.count - 1 !== seq) return false;
    return Buffer.from(batch.head).toString('hex') === head;
  }

  /** Records every commit of this process from now on. @throws the file system's error if the file cannot be created. */
  follow(own: LocalBatches): void {
    if (this.#file !== undefined) return;
    this.#file = this.#open();
    this.#unfollow = own.follow((batch) => this.#write(batch));
  }

  /** Makes the last line durable. That is one flush of the disk, because the file keeps its size and its place. */
  async sync(): Promise<void> {
    if (this.#file === undefined || !this.#isUnsynced) return;
    this.#isUnsynced = false;
    await syncData(this.#file);
  }

  close(): void {
    this.#unfollow();
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = undefined;
  }

  #text(): string {
    try {
      return readFileSync(this.#path, 'latin1');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
      throw error;
    }
  }

  /** Creates the file with its full size, so that later writes need no space and no change of its length. */
  #open(): number {
    if (this.#text().length === BYTES) return openSync(this.#path, 'r+');
    const file = openSync(this.#path, 'w', 0o600);
    writeSync(file, this.#line, 0, BYTES, 0);
    fsyncSync(file);
    const directory = openSync(dirname(this.#path), 'r');
    fsyncSync(directory);
    closeSync(directory);
    return file;
  }

  #write({ row }: ChainedBatch): void {
    const { writer, first_seq, count, head } = row;
    const text = `${writer} ${first_seq + count - 1} ${Buffer.from(head).toString('hex')}`;
    const end = this.#line.write(text, 'latin1');
    this.#line.fill(' ', end, BYTES - 1);
    try {
      if (this.#file !== undefined) writeSync(this.#file, this.#line, 0, BYTES, 0);
      this.#isUnsynced = true;
    } catch {
      // The commit is durable, so it is answered. An older line remains true, and the checkpoint file in the same directory reports the fault.
    }
  }
}
