import { open, type FileHandle } from 'node:fs/promises';
import { deliveryLines, type Delivery, type Sink } from './sink.ts';

const NEWLINE = 0x0a;
const TAIL_BYTES = 65_536 + 1;

/** The end of the last whole line. A crash within a write leaves a torn line, which the next delivery repeats in full. */
async function findLastLineEnd(file: FileHandle): Promise<number> {
  const { size } = await file.stat();
  const tail = Buffer.alloc(Math.min(size, TAIL_BYTES));
  await file.read(tail, 0, tail.length, size - tail.length);
  const newline = tail.lastIndexOf(NEWLINE);
  return newline < 0 ? size - tail.length : size - tail.length + newline + 1;
}

async function openLines(path: string): Promise<FileHandle> {
  const file = await open(path, 'a+', 0o600);
  try {
    await file.truncate(await findLastLineEnd(file));
    return file;
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** Appends the head of each delivery and one entry a line, and syncs before the cursor moves; mode 0600. */
export class FileSink implements Sink {
  readonly name: string;
  readonly unconfirmed = 0;
  readonly #path: string;
  #file: Promise<FileHandle> | undefined;
  #work: Promise<void> = Promise.resolve();

  constructor(path: string) {
    this.#path = path;
    this.name = `file:${path}`;
  }

  deliver(delivery: Delivery): Promise<void> {
    return this.#afterwards(() => this.#append(delivery));
  }

  /** Reopens the path: deliveries before the call are in the old file, deliveries after it in the new. */
  reopen(): Promise<void> {
    return this.#afterwards(() => this.#closeFile());
  }

  close(): Promise<void> {
    return this.#afterwards(() => this.#closeFile());
  }

  #afterwards(work: () => Promise<void>): Promise<void> {
    const done = this.#work.then(work);
    this.#work = done.catch(() => undefined);
    return done;
  }

  async #append(delivery: Delivery): Promise<void> {
    this.#file ??= openLines(this.#path);
    try {
      const file = await this.#file;
      await file.appendFile(deliveryLines(delivery));
      await file.datasync();
    } catch (error) {
      // The file may contain half a delivery. Opening it again cuts off a torn line.
      await this.#closeFile().catch(() => undefined);
      throw error;
    }
  }

  async #closeFile(): Promise<void> {
    const opened = this.#file;
    this.#file = undefined;
    await (await opened)?.close();
  }
}
